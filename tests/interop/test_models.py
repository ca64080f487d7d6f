"""Every family, made tiny and random by transformers, goes to GGUF and back through `limbeck convert`:
transformers must load the result with equal weights and logits; the GGUF file must hold what an
independent numpy computation expects; and `limbeck generate` must continue a text as transformers does.

LIMBECK names the program; `-k qwen2` runs one family.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import pytest

gguf = pytest.importorskip("gguf")
np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models  # noqa: E402

LIMBECK = os.environ["LIMBECK"]


def limbeck(*arguments):
    done = subprocess.run([LIMBECK, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"limbeck {arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def commands():
    return {line.split()[0] for line in limbeck("--help").splitlines() if line.startswith("  ")}


def interleaved(weight, heads):
    """Rows (h, pair half, i) -> (h, i, pair half), as llama.cpp's rope of the llama architecture wants."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2)
    return rows.reshape(weight.shape)


def expected_gguf(config, state):
    """(GGUF name, array) of some tensors of layer 1 of each family, straight from the definitions."""
    kind = config.model_type
    w = {k: v.numpy() for k, v in state.items()}
    if kind == "gpt2":
        h = "transformer.h.1."
        yield "blk.1.attn_qkv.weight", w[h + "attn.c_attn.weight"].T
        yield "blk.1.attn_qkv.bias", w[h + "attn.c_attn.bias"]
        yield "blk.1.ffn_down.weight", w[h + "mlp.c_proj.weight"].T
        yield "position_embd.weight", w["transformer.wpe.weight"]
        return
    if kind == "gpt_neox":
        a = "gpt_neox.layers.1.attention.query_key_value."
        shape = (config.num_attention_heads, 3, -1, config.hidden_size)
        per_head = w[a + "weight"].reshape(shape)
        yield "blk.1.attn_qkv.weight", per_head.swapaxes(0, 1).reshape(-1, config.hidden_size)
        yield "blk.1.attn_qkv.bias", w[a + "bias"].reshape(shape[:3]).swapaxes(0, 1).reshape(-1)
        return
    layer = "model.layers.1."
    norm_shift = 1 if kind.startswith("gemma") else 0
    yield "blk.1.attn_norm.weight", w[layer + "input_layernorm.weight"] + norm_shift
    yield "blk.1.ffn_down.weight", w[layer + "mlp.down_proj.weight"]
    if kind == "phi3":
        yield "blk.1.attn_qkv.weight", w[layer + "self_attn.qkv_proj.weight"]
        yield "blk.1.ffn_up.weight", w[layer + "mlp.gate_up_proj.weight"]
        return
    q, k = w[layer + "self_attn.q_proj.weight"], w[layer + "self_attn.k_proj.weight"]
    if kind in ("llama", "mistral"):
        q = interleaved(q, config.num_attention_heads)
        k = interleaved(k, config.num_key_value_heads)
    yield "blk.1.attn_q.weight", q
    yield "blk.1.attn_k.weight", k
    if kind in ("qwen3", "gemma3_text"):
        yield "blk.1.attn_q_norm.weight", w[layer + "self_attn.q_norm.weight"] + norm_shift


class Models(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.root = pathlib.Path(self.work.name)

    def check_round_trip(self, name):
        source, file, back = self.root / name, self.root / f"{name}.gguf", self.root / "back"
        model, tokenizer = tiny_models.make(name, source)
        limbeck("convert", source, file, "-q")
        limbeck("convert", file, back, "-q")
        state = model.state_dict()

        stored = {t.name: np.array(t.data) for t in gguf.GGUFReader(file).tensors}
        for tensor, expected in expected_gguf(model.config, state):
            np.testing.assert_allclose(stored[tensor], expected, atol=1e-6, err_msg=tensor)

        again = tiny_models.load(back)
        self.assertEqual(again.state_dict().keys(), state.keys())
        for key, value in again.state_dict().items():
            torch.testing.assert_close(value, state[key], atol=1e-6, rtol=0, msg=key)
        ids = torch.tensor([tokenizer.encode(tiny_models.TEXT).ids[:100]])
        with torch.no_grad():
            torch.testing.assert_close(again(ids).logits, model(ids).logits, atol=1e-4, rtol=0)
        if "generate" in commands():
            for path in (source, file):
                self.check_generation(path, model, tokenizer)

    def check_generation(self, path, model, tokenizer):
        prompt = tiny_models.TEXT[:60]
        ids = torch.tensor([tokenizer.encode(prompt).ids])
        expected = []
        for _ in range(12):
            with torch.no_grad():
                top = model(ids).logits[0, -1].topk(2)
            if top.values[0] - top.values[1] < 1e-3 or top.indices[0] == 0:
                break  # a tie, or the end of the text: nothing to compare beyond
            expected.append(int(top.indices[0]))
            ids = torch.cat([ids, top.indices[:1][None]], dim=1)
        answer = json.loads(limbeck("generate", path, prompt, "--max-tokens", 12, "--temperature", 0,
                                    "--json", "-q"))
        self.assertEqual(answer["ids"][:len(expected)], expected, path)


def add(name):
    setattr(Models, f"test_{name}", lambda self: self.check_round_trip(name))


for family in tiny_models.FAMILIES:
    add(family)
