"""Shared by all interop tests: the program, and a small Llama made here."""
import json
import os
import subprocess

import numpy as np
import pytest
from safetensors.numpy import save_file

LAYERS, HIDDEN, HEADS, KV_HEADS, FFN, VOCAB = 2, 64, 4, 2, 96, 288


class Limbeck:
    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments, code=0):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}{done.stdout}"
        return done.stdout

    def json(self, *arguments, **keywords):
        return json.loads(self(*arguments, "--json", **keywords))


@pytest.fixture(scope="session")
def limbeck():
    return Limbeck(os.environ["LIMBECK"])


def llama_tensors(seed=1):
    random = np.random.default_rng(seed)
    head = HIDDEN // HEADS

    def normal(*shape):
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    tensors = {"model.embed_tokens.weight": normal(VOCAB, HIDDEN),
               "model.norm.weight": 1 + normal(HIDDEN),
               "lm_head.weight": normal(VOCAB, HIDDEN)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        tensors |= {p + "self_attn.q_proj.weight": normal(HIDDEN, HIDDEN),
                    p + "self_attn.k_proj.weight": normal(KV_HEADS * head, HIDDEN),
                    p + "self_attn.v_proj.weight": normal(KV_HEADS * head, HIDDEN),
                    p + "self_attn.o_proj.weight": normal(HIDDEN, HIDDEN),
                    p + "mlp.gate_proj.weight": normal(FFN, HIDDEN),
                    p + "mlp.up_proj.weight": normal(FFN, HIDDEN),
                    p + "mlp.down_proj.weight": normal(HIDDEN, FFN),
                    p + "input_layernorm.weight": 1 + normal(HIDDEN),
                    p + "post_attention_layernorm.weight": 1 + normal(HIDDEN)}
    return tensors


def llama_config():
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB,
            "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1,
            "torch_dtype": "float32"}


def byte_tokenizer():
    """tokenizer.json: one token per byte (GPT-2's byte alphabet), no merges, two special tokens."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = {b: chr(b) for b in shown}
    alphabet |= {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in shown)}
    special = ["<s>", "</s>"]
    vocab = {token: i for i, token in enumerate([*special, *(alphabet[b] for b in range(256))])}
    vocab |= {f"<unused{i}>": i for i in range(len(vocab), VOCAB)}
    added = [{"id": i, "content": token, "special": True, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False} for i, token in enumerate(special)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "post_processor": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                              "use_regex": True},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                        "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}}


@pytest.fixture
def llama_folder(tmp_path):
    folder = tmp_path / "llama"
    folder.mkdir()
    save_file(llama_tensors(), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(llama_config()))
    (folder / "tokenizer.json").write_text(json.dumps(byte_tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}))
    return folder
