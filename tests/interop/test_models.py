"""Every family, made tiny and random by transformers, goes to GGUF and back through `limbeck convert`:
transformers must load the result with equal weights and logits; the GGUF file must hold what an
independent numpy computation expects; and `limbeck generate` must continue a text as transformers does.
"""
import gguf
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("tokenizers")
import tiny_models  # noqa: E402


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


@pytest.fixture(params=tiny_models.FAMILIES)
def made(request, tmp_path, limbeck):
    """(folder, GGUF file, transformers' model, tokenizer) of one family."""
    folder, file = tmp_path / "model", tmp_path / "model.gguf"
    model, tokenizer = tiny_models.make(request.param, folder)
    limbeck("convert", folder, file, "-q")
    return folder, file, model, tokenizer


def test_gguf_holds_what_the_definitions_say(made):
    _, file, model, _ = made
    stored = {t.name: np.array(t.data) for t in gguf.GGUFReader(file).tensors}
    for tensor, expected in expected_gguf(model.config, model.state_dict()):
        np.testing.assert_allclose(stored[tensor], expected, atol=1e-6, err_msg=tensor)


def test_transformers_loads_what_comes_back(made, limbeck, tmp_path):
    _, file, model, tokenizer = made
    limbeck("convert", file, tmp_path / "back", "-q")
    again, state = tiny_models.load(tmp_path / "back"), model.state_dict()
    assert again.state_dict().keys() == state.keys()
    for key, value in again.state_dict().items():
        torch.testing.assert_close(value, state[key], atol=1e-6, rtol=0, msg=key)
    ids = torch.tensor([tokenizer.encode(tiny_models.TEXT).ids[:100]])
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, model(ids).logits, atol=1e-4, rtol=0)


def test_generation_goes_on_as_transformers(made, limbeck):
    folder, file, model, tokenizer = made
    prompt = tiny_models.TEXT[:60]
    ids, expected = torch.tensor([tokenizer.encode(prompt).ids]), []
    for _ in range(12):
        with torch.no_grad():
            top = model(ids).logits[0, -1].topk(2)
        if top.values[0] - top.values[1] < 1e-3:
            break  # a tie: nothing to compare beyond
        if top.indices[0] == 0 or top.indices[0] >= tokenizer.get_vocab_size():
            break  # the end of the text, or a row that is no token
        expected.append(int(top.indices[0]))
        ids = torch.cat([ids, top.indices[:1][None]], dim=1)
    for path in (folder, file):
        answer = limbeck.json("generate", path, prompt, "--max-tokens", 12, "--temperature", 0, "-q")
        assert answer["ids"][:len(expected)] == expected, path


def test_perplexity_is_that_of_transformers(made, limbeck, tmp_path):
    folder, file, model, tokenizer = made
    text = tmp_path / "text.txt"
    text.write_text(tiny_models.TEXT[:200])
    ids = tokenizer.encode(tiny_models.TEXT[:200]).ids
    with torch.no_grad():
        log_probabilities = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    nll = -sum(float(log_probabilities[i, t]) for i, t in enumerate(ids[1:]))
    for path in (folder, file):
        answer = limbeck.json("eval", path, "--text", text, "-q")
        assert answer["tokens"] == len(ids) - 1
        assert answer["nll"] / answer["tokens"] == pytest.approx(nll / (len(ids) - 1), abs=1e-3)
