"""Folders packed to 4 bits by GPTQ, AWQ and compressed-tensors: the weights we read from them, and the
types of ours that hold them, against numpy and against the compressed-tensors package; and the folders
that we pack, read by that package.
"""
import json

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import HEADS, KV_HEADS, byte_tokenizer, llama_config, llama_tensors
from test_formats import hf_name, reversed_permutation

GROUP = 32
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # AutoAWQ, packing_utils.py: nibble i holds column order[i]


def lattice(weight, group, symmetric):
    """(codes [out, in], scales [out, groups] f16, zeros [out, groups]) near the weight."""
    rows, columns = weight.shape
    grouped = weight.reshape(rows, columns // group, group)
    low, high = np.minimum(grouped.min(2), 0), np.maximum(grouped.max(2), 0)
    if symmetric:
        scale = (np.abs(grouped).max(2) / 7).astype(np.float16)
        zero = np.full(scale.shape, 8)
    else:
        scale = ((high - low) / 15).astype(np.float16)
        zero = np.clip(np.rint(-low / scale.astype(np.float32)), 1, 15).astype(int)
    codes = np.rint(grouped / scale[..., None].astype(np.float32)) + zero[..., None]
    return np.clip(codes, 0, 15).astype(np.uint32).reshape(rows, columns), scale, zero


def values(codes, scale, zero, group_of):
    return scale.astype(np.float32)[:, group_of] * (codes.astype(np.float32) - zero[:, group_of])


def words(codes, order=range(8)):
    """8 codes of the last axis in a word, code order[i] at bit 4 i."""
    split = codes.reshape(*codes.shape[:-1], -1, 8)
    packed = sum(split[..., c].astype(np.uint32) << np.uint32(4 * i) for i, c in enumerate(order))
    return np.ascontiguousarray(packed.view(np.int32))


def gptq(codes, scale, zero, group_of, less_one):
    return {"qweight": np.ascontiguousarray(words(codes).T), "scales": np.ascontiguousarray(scale.T),
            "qzeros": words(np.ascontiguousarray((zero - less_one).T)),
            "g_idx": group_of.astype(np.int32)}


def awq(codes, scale, zero):
    return {"qweight": words(np.ascontiguousarray(codes.T), AWQ_ORDER),
            "scales": np.ascontiguousarray(scale.T),
            "qzeros": words(np.ascontiguousarray(zero.T), AWQ_ORDER)}


def compressed(codes, scale, zero, symmetric):
    torch = pytest.importorskip("torch")
    helpers = pytest.importorskip("compressed_tensors.compressors.pack_quantized.helpers")

    def packed(array, dim):
        signed = torch.from_numpy(array.astype(np.int64) - 8).to(torch.int8)
        return helpers.pack_to_int32(signed, 4, packed_dim=dim).numpy()

    parts = {"weight_packed": packed(codes, 1), "weight_scale": scale,
             "weight_shape": np.array(codes.shape, np.int64)}
    return parts if symmetric else parts | {"weight_zero_point": packed(zero, 0)}


def scheme_of(method, symmetric):
    if method.startswith("gptq"):
        return {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "sym": symmetric,
                "desc_act": method == "gptq-act", "damp_percent": 0.01,
                "checkpoint_format": "gptq_v2" if method == "gptq-v2" else "gptq"}
    if method == "awq":
        return {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm",
                "zero_point": True}
    weights = {"num_bits": 4, "type": "int", "symmetric": symmetric, "strategy": "group",
               "group_size": GROUP}
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


def pack(folder, method, symmetric, damage=None):
    """A packed folder; returns what its matrices are."""
    folder.mkdir()
    tensors, wanted = {}, {}
    for name, weight in llama_tensors().items():
        if not name.startswith("model.layers.") or weight.ndim == 1:
            tensors[name] = wanted[name] = weight
            continue
        codes, scale, zero = lattice(weight, GROUP, symmetric)
        group_of = np.arange(codes.shape[1]) // GROUP
        if method == "gptq-act":
            group_of = np.random.default_rng(7).permutation(group_of)
        wanted[name] = values(codes, scale, zero, group_of)
        if method.startswith("gptq"):
            parts = gptq(codes, scale, zero, group_of, method != "gptq-v2")
        elif method == "awq":
            parts = awq(codes, scale, zero)
        else:
            parts = compressed(codes, scale, zero, symmetric)
        tensors |= {name.removesuffix("weight") + part: array for part, array in parts.items()}
    if damage:
        damage(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = llama_config() | {"quantization_config": scheme_of(method, symmetric)}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(byte_tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}))
    return wanted


CASES = [("gptq", True, "q4_0"), ("gptq", False, "q5_0"), ("gptq-v2", True, "q4_0"),
         ("gptq-v2", False, "q5_0"), ("gptq-act", True, "f32"), ("awq", True, "q4_0"),
         ("awq", False, "q5_0"), ("compressed-tensors", True, "q4_0"),
         ("compressed-tensors", False, "q5_0")]


@pytest.mark.parametrize("method,symmetric,kind", CASES)
def test_packed_weights_are_read_exactly(limbeck, tmp_path, method, symmetric, kind):
    wanted = pack(tmp_path / "packed", method, symmetric)
    limbeck("convert", tmp_path / "packed", tmp_path / "wide", "--type", "f32")
    wide = load_file(tmp_path / "wide" / "model.safetensors")
    assert set(wide) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(wide[name], array, name)

    limbeck("convert", tmp_path / "packed", tmp_path / "packed.gguf")
    for tensor in gguf.GGUFReader(tmp_path / "packed.gguf").tensors:
        if "blk." in tensor.name and len(tensor.shape) == 2:
            assert tensor.tensor_type.name.lower() == kind
        rows = gguf.dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            rows = reversed_permutation(rows, HEADS if "attn_q" in tensor.name else KV_HEADS)
        np.testing.assert_array_equal(rows, wanted[hf_name(tensor.name)], tensor.name)


def test_packed_folders_run(limbeck, tmp_path):
    pack(tmp_path / "packed", "awq", False)
    limbeck("convert", tmp_path / "packed", tmp_path / "packed.gguf")
    prompt = ("abc", "--max-tokens", 8, "--temperature", 0)
    ids = limbeck.json("generate", tmp_path / "packed", *prompt)["ids"]
    assert ids == limbeck.json("generate", tmp_path / "packed.gguf", *prompt)["ids"]
    report = limbeck.json("inspect", tmp_path / "packed")
    assert "problem" not in report and report["parameters"] == sum(
        t.size for t in llama_tensors().values())


def test_quantize_keeps_what_it_can_hold(limbeck, tmp_path):
    wanted = pack(tmp_path / "packed", "gptq", True)
    limbeck("quantize", tmp_path / "packed", "-o", tmp_path / "q.gguf", "--type", "q4_1")
    for tensor in gguf.GGUFReader(tmp_path / "q.gguf").tensors:
        if tensor.name == "blk.1.ffn_down.weight":
            rows = gguf.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(rows, wanted[hf_name(tensor.name)])
    records = json.loads((tmp_path / "q.gguf.json").read_text())["quantization"]["tensors"]
    assert {r["method"] for r in records if r["name"] == "blk.1.ffn_down.weight"} == {"exact"}


def test_compressed_tensors_reads_what_we_pack(limbeck, llama_folder, tmp_path):
    torch = pytest.importorskip("torch")
    helpers = pytest.importorskip("compressed_tensors.compressors.pack_quantized.helpers")
    scheme = pytest.importorskip("compressed_tensors.quantization")
    limbeck("quantize", llama_folder, "-o", tmp_path / "q.gguf", "--type", "q4_0")
    limbeck("convert", tmp_path / "q.gguf", tmp_path / "out", "--to", "compressed-tensors")
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    described = scheme.QuantizationConfig.model_validate(config)
    assert described.config_groups["group_0"].weights.group_size == GROUP
    assert {"lm_head"} <= set(described.ignore)
    stored = load_file(tmp_path / "out" / "model.safetensors")
    compared = 0
    for tensor in gguf.GGUFReader(tmp_path / "q.gguf").tensors:
        name = hf_name(tensor.name)
        if name + "_packed" not in stored:
            continue
        shape = tuple(stored[name + "_shape"])
        codes = helpers.unpack_from_int32(torch.from_numpy(stored[name + "_packed"]), 4, shape)
        scale = stored[name + "_scale"].astype(np.float32)
        ours = codes.numpy().reshape(shape[0], -1, GROUP) * scale[..., None]
        rows = gguf.dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            rows = reversed_permutation(rows, HEADS if "attn_q" in tensor.name else KV_HEADS)
        np.testing.assert_array_equal(ours.reshape(shape), rows, name)
        compared += 1
    assert compared == 14
    # Back again: nothing is lost on the way.
    limbeck("convert", tmp_path / "out", tmp_path / "back.gguf")
    there, back = (gguf.GGUFReader(tmp_path / f).tensors for f in ("q.gguf", "back.gguf"))
    for a, b in zip(there, back):
        if "blk." in a.name and len(a.shape) == 2:
            assert a.name == b.name and bytes(a.data) == bytes(b.data)


GATE = "model.layers.1.mlp.gate_proj."


@pytest.mark.parametrize("method,damage,says", [
    ("gptq-act", lambda t: t[GATE + "g_idx"].__setitem__(3, 2), "names group 2 for column 3"),
    ("gptq", lambda t: t[GATE + "g_idx"].__setitem__(0, -1), "names group -1 for column 0"),
    ("gptq", lambda t: t.update({GATE + "scales": t[GATE + "scales"][:1]}), "gate_proj.scales"),
    ("gptq", lambda t: t.update({GATE + "qzeros": t[GATE + "qzeros"][:, 1:]}), "gate_proj.qzeros"),
    ("gptq", lambda t: t.update({GATE + "qweight": t[GATE + "qweight"][1:]}), "gate_proj"),
    ("awq", lambda t: t.pop(GATE + "qzeros"), "qzeros' of a packed matrix is missing"),
    ("awq", lambda t: t[GATE + "scales"].__setitem__((1, 5), np.nan), "nan for row 5, group 1"),
    ("compressed-tensors", lambda t: t[GATE + "weight_shape"].__setitem__(0, 1 << 40), "weight_shape"),
    ("compressed-tensors", lambda t: t[GATE + "weight_shape"].__setitem__(1, 72), "gate_proj"),
])
def test_damaged_folders_are_refused(limbeck, tmp_path, method, damage, says):
    pack(tmp_path / "packed", method, True, damage)
    error = limbeck.json("convert", tmp_path / "packed", tmp_path / "x.gguf", code=3)["error"]
    assert says in error["message"]
    assert not (tmp_path / "x.gguf").exists()
