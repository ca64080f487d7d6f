"""safetensors and gguf, the packages of the formats' owners, against ours; both ways."""
import shutil

import gguf
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from conftest import HEADS, KV_HEADS, LAYERS, HIDDEN, llama_tensors


def described(report):
    return {t["name"]: (t["type"].lower(), tuple(t["shape"]), t["bytes"]) for t in report["tensors"]}


def test_inspect_reads_what_safetensors_writes(limbeck, tmp_path):
    tensors = {"f32": np.ones((2, 3), np.float32), "f16": np.ones((4,), np.float16),
               "f64": np.ones((1, 1, 2), np.float64), "i64": np.array(7, np.int64),
               "i32": np.zeros((0, 5), np.int32), "i16": np.zeros((3,), np.int16),
               "i8": np.zeros((3,), np.int8), "u8": np.zeros((3, 1), np.uint8),
               "bool": np.ones((2,), np.bool_)}
    path = tmp_path / "t.safetensors"
    save_file(tensors, path, {"k": "v\n\"é"})
    report = limbeck.json("inspect", path)
    assert described(report) == {n: (n, t.shape, t.nbytes) for n, t in tensors.items()}


def test_inspect_reads_what_gguf_writes(limbeck, tmp_path):
    path = tmp_path / "t.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("t.u32", 1 << 31)
    writer.add_int8("t.i8", -1)
    writer.add_float32("t.f32", 0.5)
    writer.add_bool("t.bool", True)
    writer.add_string("t.text", "é\n")
    writer.add_array("t.texts", ["a", "é"])
    writer.add_array("t.numbers", [1, -2, 3])
    data = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    writer.add_tensor("f32", data)
    writer.add_tensor("f16", data.astype(np.float16))
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        writer.add_tensor(kind.name.lower(), gguf.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    report = limbeck.json("inspect", path)
    assert described(report) == {"f32": ("f32", (3, 64), 768), "f16": ("f16", (3, 64), 384),
                                 "q8_0": ("q8_0", (3, 64), 204), "q4_0": ("q4_0", (3, 64), 108)}
    metadata = report["metadata"]
    assert metadata["t.u32"] == 1 << 31 and metadata["t.i8"] == -1 and metadata["t.f32"] == 0.5
    assert metadata["t.bool"] is True and metadata["t.text"] == "é\n"


def reversed_permutation(rows, heads):
    """Rows of q and k from the GGUF order (pairs side by side) to Hugging Face's (two halves)."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


HF_OF = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
         "ffn_norm": "post_attention_layernorm"}
HF_GLOBAL = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hf_name(name):
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{HF_OF[parts[2]]}.weight"
    return HF_GLOBAL[parts[0]] + ".weight"


def test_gguf_reads_what_we_convert(limbeck, llama_folder, tmp_path):
    path = tmp_path / "ours.gguf"
    limbeck("convert", llama_folder, path)
    reader = gguf.GGUFReader(path)
    assert reader.get_field("general.architecture").contents() == "llama"
    assert reader.get_field("llama.block_count").contents() == LAYERS
    assert reader.get_field("llama.embedding_length").contents() == HIDDEN
    assert reader.get_field("llama.attention.head_count_kv").contents() == KV_HEADS
    wanted = llama_tensors()
    assert {hf_name(t.name) for t in reader.tensors} == set(wanted)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            values = reversed_permutation(values, HEADS if "attn_q" in tensor.name else KV_HEADS)
        # f16 at worst
        np.testing.assert_allclose(values, wanted[hf_name(tensor.name)], rtol=1e-3, atol=1e-6)


def test_safetensors_reads_what_we_convert_back(limbeck, llama_folder, tmp_path):
    limbeck("convert", llama_folder, tmp_path / "ours.gguf")
    limbeck("convert", tmp_path / "ours.gguf", tmp_path / "back")
    wanted = llama_tensors()
    with safe_open(tmp_path / "back" / "model.safetensors", "np") as file:
        assert set(file.keys()) == set(wanted)
    back = load_file(tmp_path / "back" / "model.safetensors")
    for name, values in wanted.items():
        np.testing.assert_allclose(back[name].astype(np.float32), values, rtol=1e-3, atol=1e-6)


def test_truncated_files_are_refused(limbeck, llama_folder, tmp_path):
    path = llama_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    error = limbeck.json("inspect", path, code=3)["error"]
    assert error["kind"] == "format" and "model.safetensors" in error["message"]
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    limbeck("convert", llama_folder, tmp_path / "out.gguf", code=3)
    assert not (tmp_path / "out.gguf").exists()
