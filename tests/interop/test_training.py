"""Training steps beside torch's: transformers' Llama, torch.optim.AdamW and the textbook losses, on all rows
in every step, so that no shuffle matters. Losses agree to 1e-5 before the first update, to 1e-3 for 50 steps."""
import hashlib
import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from conftest import llama_config, llama_tensors

STEPS, RATE, FINAL, WARMUP, DECAY, CLIP = 50, 2e-3, 0.1, 0.1, 0.1, 1.0
OPTIONS = {"max_steps": STEPS, "learning_rate": RATE, "final_learning_rate_ratio": FINAL, "warmup": WARMUP,
           "weight_decay": DECAY, "clip_norm": CLIP, "batch_tokens": 1_000_000, "micro_tokens": 300,
           "bf16": False, "evaluations": 0, "save": "f32"}
LABELS = ["ash", "birch", "cedar"]


def rate(step):
    ramp = math.floor(WARMUP * STEPS)
    if step < ramp:
        return RATE * (step + 1) / ramp
    return RATE * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * (step - ramp) / (STEPS - ramp))))


def open_model(folder):
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def answers_logits(model, rows):
    """The logits that predict each answer token of (ids, prompt length), rows after another."""
    width = max(len(ids) for ids, _ in rows)
    padded = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])  # behind: no one looks there
    logits = model(padded).logits
    return torch.cat([logits[i, prompt - 1:len(ids) - 1] for i, (ids, prompt) in enumerate(rows)])


def train(folder, rows, loss_of):
    """The loss of each step before its update, as limbeck's metrics.jsonl has it, and the gradient's norm."""
    torch.set_num_threads(1)
    model = open_model(folder)
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": DECAY},
              {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    labels = torch.cat([torch.tensor(ids[prompt:]) for ids, prompt in rows])
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(answers_logits(model, rows), labels) / len(labels)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels, reduction="sum")


def compare(metrics_file, losses, norms):
    lines = [json.loads(line) for line in metrics_file.read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == STEPS
    assert losses[-1] < 0.8 * losses[0]  # it learns
    assert steps[0]["loss"] == pytest.approx(losses[0], rel=1e-5)
    for line, loss, norm in zip(steps, losses, norms):
        assert line["loss"] == pytest.approx(loss, rel=1e-3), line["step"]
        assert line["gradient_norm"] == pytest.approx(norm, rel=2e-2), line["step"]


def test_fine_tuning(limbeck, llama_folder, tmp_path):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama_folder)
    texts = [(f"tree {i} has {'little' if i % 3 else 'many'} leaves:", LABELS[i % 3]) for i in range(20)]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in texts))
    (tmp_path / "train.yaml").write_text(json.dumps(
        {"start": str(llama_folder), "data": ["rows.jsonl"], "train": OPTIONS}))
    limbeck("train", "--config", tmp_path / "train.yaml", "-o", tmp_path / "out", "--threads", 1, "-q")
    rows = []
    for prompt, answer in texts:
        head = tokenizer(prompt)["input_ids"]
        rows.append((head + tokenizer(answer)["input_ids"] + [tokenizer.eos_token_id], len(head)))
    compare(tmp_path / "out.metrics.jsonl", *train(llama_folder, rows, cross_entropy))


@pytest.mark.parametrize("loss", ["forward_kl", "reverse_kl", "jsd"])
def test_distillation(limbeck, llama_folder, tmp_path, loss):
    """All 288 tokens' probabilities, half cross-entropy, half the divergence; dev rows are left out by hash."""
    config = json.loads((llama_folder / "tokenizer_config.json").read_text())
    config["chat_template"] = "{% for m in messages %}{{ m.content }}{% endfor %}:"
    (llama_folder / "tokenizer_config.json").write_text(json.dumps(config))
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (teacher / name).write_text((llama_folder / name).read_text())
    (teacher / "config.json").write_text(json.dumps(llama_config()))
    (teacher / "limbeck.json").write_text(json.dumps({"prompt": "bare"}))  # the student's prompt
    save_file({name: 3 * tensor if "lm_head" in name else tensor for name, tensor in llama_tensors(2).items()},
              teacher / "model.safetensors", {"format": "pt"})
    task = tmp_path / "task"
    task.mkdir()
    (task / "task.yaml").write_text(json.dumps(
        {"name": "trees", "kind": "classification", "instruction": "Which?", "labels": LABELS}))
    inputs = [f"tree {i} of the wood" for i in range(20)]
    for name in ("train", "test"):
        (task / f"{name}.jsonl").write_text("".join(
            json.dumps({"input": text if name == "train" else f"not {text}", "output": LABELS[0]}) + "\n"
            for text in inputs))
    limbeck("label", "--task", task, "--teacher", teacher, "-o", tmp_path / "store.sqlite", "--prompt", "bare",
            "--rows", tmp_path / "rows.jsonl", "-q")
    answers = {row["input"]: row["output"]
               for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())}
    (tmp_path / "options.yaml").write_text(json.dumps(OPTIONS | {"loss": loss, "soft_weight": 0.5}))
    limbeck("distill", "--teacher", teacher, "--student", llama_folder, "--task", task, "-o", tmp_path / "out",
            "--gate", 0, "--k", 288, "--config", tmp_path / "options.yaml", "--threads", 1, "-q")

    hashes = {text: hashlib.sha256(f"1\n{json.dumps(text)}".encode()).hexdigest() for text in inputs}
    first_dev = sorted(hashes.values())[len(inputs) - 2]
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama_folder)
    teacher_model, rows = open_model(teacher), []
    for text in inputs:
        if hashes[text] >= first_dev:
            continue
        head = tokenizer(text + ":")["input_ids"]
        rows.append((head + tokenizer(answers[text])["input_ids"] + [tokenizer.eos_token_id], len(head)))

    with torch.no_grad():
        p = answers_logits(teacher_model, rows).log_softmax(-1)

    def loss_of(logits, labels):
        q = logits.log_softmax(-1)
        m = torch.log(0.5 * p.exp() + 0.5 * q.exp())

        def kl(a, b):
            return (a.exp() * (a - b)).sum()

        soft = {"forward_kl": kl(p, q), "reverse_kl": kl(q, p), "jsd": 0.5 * kl(p, m) + 0.5 * kl(q, m)}[loss]
        return 0.5 * cross_entropy(logits, labels) + 0.5 * soft

    compare(tmp_path / "out.work" / "checkpoints" / "metrics.jsonl", *train(llama_folder, rows, loss_of))
