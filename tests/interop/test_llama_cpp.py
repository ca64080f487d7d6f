"""An unmodified llama.cpp must load what Limbeck writes, and say the same: the same most probable
tokens and the same perplexity (within 0.5 %) as transformers on unquantized files, and as Limbeck's own
runtime on quantized ones.

LIMBECK_NODE_LLAMA names a folder where `npm install node-llama-cpp` was done.
"""
import json
import math
import os
import pathlib
import shutil
import subprocess

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
import tiny_models  # noqa: E402

NODE = os.environ.get("LIMBECK_NODE_LLAMA", "")
ORACLE = pathlib.Path(__file__).with_name("llama_oracle.mjs")
pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not (pathlib.Path(NODE) / "node_modules/node-llama-cpp").is_dir(),
    reason="LIMBECK_NODE_LLAMA names no folder with node-llama-cpp")


def llama_cpp(model, tokens):
    question = json.dumps({"model": str(model), "tokens": tokens, "context": 128})
    done = subprocess.run(["node", str(ORACLE), NODE], input=question, capture_output=True, text=True)
    assert done.returncode == 0, f"llama.cpp cannot run {model}:\n{done.stderr[-2000:]}"
    return json.loads(done.stdout)


TEACHER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "helpdesk" / "teacher"
STORY = (
    "On Friday Clara came to the shop in Bergen with a green kettle. The kettle was made of steel, and Clara liked "
    "it. \"The kettle is too small,\" said Clara. Paul looked at order NW-48213 and nodded. They talked about the "
    "wool blanket too, which Clara had seen on Mill Road. Clara paid 23.50 euros and asked for a receipt. In the end "
    "Clara went home with the kettle."
)


def perplexity(answers):
    steps = answers[:-1]  # nothing follows the last token
    return math.exp(-sum(math.log(max(step["next"], 1e-30)) for step in steps) / len(steps))


@pytest.mark.parametrize("name", tiny_models.FAMILIES)
def test_family(limbeck, tmp_path, name):
    source, file = tmp_path / name, tmp_path / "model.gguf"
    model, tokenizer = tiny_models.make(name, source)
    tokens = tokenizer.encode(tiny_models.TEXT).ids[:100]
    with torch.no_grad():
        log_probabilities = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
    nll = -sum(float(log_probabilities[i, t]) for i, t in enumerate(tokens[1:]))
    for type_name in ("f32", "f16"):
        limbeck("convert", source, file, "--type", type_name, "-q")
        answers = llama_cpp(file, tokens)
        assert perplexity(answers) == pytest.approx(math.exp(nll / (len(tokens) - 1)), rel=0.005)
        sure = [i for i, step in enumerate(answers) if step["gap"] > 0.002]
        assert len(sure) > 20
        assert [answers[i]["top"] for i in sure] == [int(log_probabilities[i].argmax()) for i in sure]


@pytest.mark.parametrize("type_name", ("q8_0", "q4_0", "q4_k", "q5_k", "q6_k", "q3_k", "q2_k"))
def test_quantized(limbeck, tmp_path, type_name):
    # A trained model: on random weights the two programs' rounding of activations alone moves perplexity by
    # more than what is asked here. Its rows of 256 and 768 divide into the blocks of every type.
    source, file, text = TEACHER, tmp_path / "model.gguf", tmp_path / "text.txt"
    text.write_text(STORY)
    tokens = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json")).encode(STORY).ids
    limbeck("quantize", source, "-o", file, "--type", type_name, "-q")
    ours = limbeck.json("eval", file, "--text", text, "-q")
    assert ours["tokens"] == len(tokens) - 1
    assert perplexity(llama_cpp(file, tokens)) == pytest.approx(ours["perplexity"], rel=0.005)
