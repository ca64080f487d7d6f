"""What `limbeck quantize` takes and leaves beside the model itself: weights that lie on a 4-bit lattice, as
quantization-aware training writes them, and importance files, read by the gguf package and numpy.
"""
import json

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import HEADS, KV_HEADS, llama_tensors
from test_formats import hf_name, reversed_permutation
from test_packed import lattice, values

GROUP = 32


def as_bf16(array):
    """Rounded to bfloat16, ties to even."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000).view(np.float32)


@pytest.mark.parametrize("kind,symmetric", [("q4_0", True), ("q5_0", False)])
@pytest.mark.parametrize("stored", ["f32", "bf16"])
def test_lattices_keep_every_value(limbeck, llama_folder, tmp_path, kind, symmetric, stored):
    tensors = llama_tensors()
    for name, weight in tensors.items():
        if "layers." in name and weight.ndim == 2:
            codes, scale, zero = lattice(weight, GROUP, symmetric)
            group_of = np.arange(weight.shape[1]) // GROUP
            tensors[name] = values(codes, scale, zero, group_of).astype(np.float32)
            if stored == "bf16":
                tensors[name] = as_bf16(tensors[name])
    save_file(tensors, llama_folder / "model.safetensors", {"format": "pt"})
    if stored == "bf16":
        limbeck("convert", llama_folder, tmp_path / "half", "--type", "bf16")
    source = llama_folder if stored == "f32" else tmp_path / "half"
    limbeck("quantize", source, "-o", tmp_path / "q.gguf", "--type", kind)
    for tensor in gguf.GGUFReader(tmp_path / "q.gguf").tensors:
        if "blk." not in tensor.name or len(tensor.shape) != 2:
            continue
        rows = gguf.dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            rows = reversed_permutation(rows, HEADS if "attn_q" in tensor.name else KV_HEADS)
        rows = rows if stored == "f32" else as_bf16(rows)
        np.testing.assert_array_equal(rows, tensors[hf_name(tensor.name)], tensor.name)
    records = json.loads((tmp_path / "q.gguf.json").read_text())["quantization"]["tensors"]
    assert {r["method"] for r in records if r["name"].startswith("blk.") and ".ffn_" in r["name"]
            and "norm" not in r["name"]} == {"exact"}


def test_importance_files_name_every_matrix(limbeck, llama_folder, tmp_path):
    text = tmp_path / "calibration.txt"
    text.write_text("A small town by the sea, and nobody in it. " * 100)
    limbeck("quantize", llama_folder, "-o", tmp_path / "q.gguf", "--type", "q4_0", "--method", "imatrix",
            "--calibration", text, "--save-importance", tmp_path / "i.gguf")
    file = gguf.GGUFReader(tmp_path / "i.gguf")
    assert file.fields["general.type"].contents() == "imatrix"
    assert file.fields["imatrix.datasets"].contents() == [str(text)]
    tensors = {t.name: np.array(t.data).ravel() for t in file.tensors}
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    for layer in range(2):
        for matrix in matrices:
            name = f"blk.{layer}.{matrix}.weight"
            columns = llama_tensors()[hf_name(name)].shape[1]
            assert tensors[name + ".in_sum2"].shape == (columns,)
            assert tensors[name + ".counts"][0] > 0
    np.testing.assert_array_equal(tensors["blk.0.attn_q.weight.in_sum2"],
                                  tensors["blk.0.attn_v.weight.in_sum2"])
