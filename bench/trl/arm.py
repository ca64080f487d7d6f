"""One arm of TRL: `arm.py prepare` makes the rows and the students all arms start from, `arm.py train`
trains one of them. Called by compare.sh beside this file."""
import argparse
import hashlib
import json
import pathlib
import resource
import time


def tokenizer_of(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def trained_on(inputs, seed, dev=0.1):
    """Which of these limbeck trains on: it holds out a share of the training inputs, by hash."""
    hashes = [hashlib.sha256(f"{seed}\n{json.dumps(text, ensure_ascii=False)}".encode()).hexdigest()
              for text in inputs]
    first_dev = sorted(hashes)[len(inputs) - round(dev * len(inputs))]
    return [h < first_dev for h in hashes]


def prepare(args):
    """rows-SEED.jsonl: token ids and how many of them are the prompt, in the form the teacher was
    trained on; student-SEED: a random model of the given shape with the teacher's tokenizer."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    tokenizer = tokenizer_of(args.teacher)
    with open(args.task / "train.jsonl", encoding="utf-8") as lines:
        examples = [json.loads(line) for line in list(lines)[: args.rows]]
    rows = []
    for example in examples:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": example["input"]}], add_generation_prompt=True, tokenize=False)
        head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        tail = tokenizer(example["output"], add_special_tokens=False)["input_ids"]
        rows.append({"input_ids": head + tail + [tokenizer.eos_token_id], "prompt": len(head)})
    for seed in args.seeds:
        kept = trained_on([example["input"] for example in examples], seed)
        (args.work / f"rows-{seed}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row, keep in zip(rows, kept) if keep))
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(args.teacher)
        for key, value in json.loads(args.shape).items():
            setattr(config, key, value)
        config.torch_dtype = "float32"
        student = LlamaForCausalLM(config).float()
        student.save_pretrained(args.work / f"student-{seed}")
        tokenizer.save_pretrained(args.work / f"student-{seed}")
    print(json.dumps({"rows": len(rows), "tokens": sum(len(row["input_ids"]) for row in rows),
                      "targets": sum(len(row["input_ids"]) - row["prompt"] for row in rows)}))


def collate(rows):
    """Right-padded; the prompt is not trained on."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    out = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        ids, prompt = row["input_ids"], row["prompt"]
        gap = width - len(ids)
        out["input_ids"].append(ids + [0] * gap)
        out["attention_mask"].append([1] * len(ids) + [0] * gap)
        out["labels"].append([-100] * prompt + ids[prompt:] + [-100] * gap)
    return {key: torch.tensor(value) for key, value in out.items()}


def train(args):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(args.threads)
    rows = [json.loads(line) for line in open(args.work / f"rows-{args.seed}.jsonl", encoding="utf-8")]
    tokenizer = tokenizer_of(args.teacher)
    student = AutoModelForCausalLM.from_pretrained(args.work / f"student-{args.seed}", dtype=torch.float32)
    common = dict(
        output_dir=str(args.output) + ".work", num_train_epochs=args.epochs, learning_rate=args.learning_rate,
        per_device_train_batch_size=args.batch, lr_scheduler_type="cosine", warmup_steps=0.05, weight_decay=0.01,
        adam_beta1=0.9, adam_beta2=0.95, max_grad_norm=1.0, bf16=args.bf16, use_cpu=True, seed=args.seed,
        logging_steps=1_000_000, save_strategy="no", report_to=[], remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True}, gradient_checkpointing=False)
    data = Dataset.from_list(rows)
    if args.arm == "gkd":
        from trl.experimental.gkd import GKDConfig, GKDTrainer

        teacher = AutoModelForCausalLM.from_pretrained(
            args.teacher, dtype=torch.bfloat16 if args.bf16 else torch.float32)
        # beta 0: KL of the teacher to the student; lmbda 0: on the given answers.
        trainer = GKDTrainer(model=student, teacher_model=teacher, processing_class=tokenizer, train_dataset=data,
                             data_collator=collate, args=GKDConfig(lmbda=0.0, beta=0.0, **common))
    else:
        from trl import SFTConfig, SFTTrainer

        trainer = SFTTrainer(model=student, processing_class=tokenizer, train_dataset=data,
                             data_collator=collate, args=SFTConfig(**common))
    wall, processor = time.monotonic(), time.process_time()
    trainer.train()
    seconds, cpu = time.monotonic() - wall, time.process_time() - processor
    trainer.model.save_pretrained(args.output)
    tokenizer.save_pretrained(args.output)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu,
                      "tokens": int(args.epochs * sum(len(row["input_ids"]) for row in rows)),
                      "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "train"):
        command = commands.add_parser(name)
        command.add_argument("--teacher", type=pathlib.Path, required=True)
        command.add_argument("--work", type=pathlib.Path, required=True)
        if name == "prepare":
            command.add_argument("--task", type=pathlib.Path, required=True)
            command.add_argument("--rows", type=int, required=True)
            command.add_argument("--shape", required=True, help="keys of config.json")
            command.add_argument("--seeds", type=int, nargs="+", required=True)
            continue
        command.add_argument("--arm", choices=("gkd", "sft"), required=True)
        command.add_argument("--seed", type=int, required=True)
        command.add_argument("--epochs", type=float, required=True)
        command.add_argument("--batch", type=int, required=True)
        command.add_argument("--learning-rate", type=float, required=True)
        command.add_argument("--threads", type=int, required=True)
        command.add_argument("--bf16", action="store_true")
        command.add_argument("--output", type=pathlib.Path, required=True)
    args = parser.parse_args()
    {"prepare": prepare, "train": train}[args.command](args)


main()
