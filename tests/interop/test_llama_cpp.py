"""An unmodified llama.cpp must load what Limbeck writes, and say the same: the same most probable
tokens and the same perplexity (within 0.5 %) as transformers on unquantized files, and as Limbeck's own
runtime on quantized ones.

LIMBECK names the program; `-k qwen2` runs one family.
LIMBECK_NODE_LLAMA names a folder where `npm install node-llama-cpp` was done.
"""
import json
import math
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models  # noqa: E402

NODE = os.environ.get("LIMBECK_NODE_LLAMA", "")
if not shutil.which("node") or not (pathlib.Path(NODE) / "node_modules/node-llama-cpp").is_dir():
    pytest.skip("LIMBECK_NODE_LLAMA names no folder with node-llama-cpp", allow_module_level=True)
LIMBECK = os.environ["LIMBECK"]
ORACLE = pathlib.Path(__file__).with_name("llama_oracle.mjs")


def limbeck(*arguments):
    done = subprocess.run([LIMBECK, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"limbeck {arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def commands():
    return {line.split()[0] for line in limbeck("--help").splitlines() if line.startswith("  ")}


def llama_cpp(model, tokens):
    question = json.dumps({"model": str(model), "tokens": tokens, "context": 128})
    done = subprocess.run(["node", str(ORACLE), NODE], input=question, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"llama.cpp cannot run {model}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def perplexity(answers):
    steps = answers[:-1]  # nothing follows the last token
    return math.exp(-sum(math.log(max(step["next"], 1e-30)) for step in steps) / len(steps))


class LlamaCpp(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.root = pathlib.Path(self.work.name)

    def check_family(self, name):
        source, file = self.root / name, self.root / "model.gguf"
        model, tokenizer = tiny_models.make(name, source)
        tokens = tokenizer.encode(tiny_models.TEXT).ids[:100]
        with torch.no_grad():
            log_probabilities = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        expected = math.exp(-sum(float(log_probabilities[i, t]) for i, t in enumerate(tokens[1:])) /
                            (len(tokens) - 1))
        for type_name in ("f32", "f16"):
            limbeck("convert", source, file, "--type", type_name, "-q")
            answers = llama_cpp(file, tokens)
            self.assertAlmostEqual(perplexity(answers) / expected, 1, delta=0.005, msg=type_name)
            sure = [i for i, step in enumerate(answers) if step["gap"] > 0.002]
            self.assertGreater(len(sure), 20)
            agreeing = sum(answers[i]["top"] == int(log_probabilities[i].argmax()) for i in sure)
            self.assertEqual(agreeing, len(sure), type_name)

    def test_quantized(self):
        if not {"quantize", "eval"} <= commands():
            self.skipTest("this limbeck has no quantize and eval")
        # Rows of 256 and 512 divide into the blocks of every type.
        source = self.root / "model"
        _, tokenizer = tiny_models.make("llama", source, hidden_size=256, intermediate_size=512)
        text = self.root / "text.txt"
        text.write_text(tiny_models.TEXT)
        tokens = tokenizer.encode(tiny_models.TEXT).ids
        for type_name in ("q8_0", "q4_0", "q4_k", "q5_k", "q6_k", "q3_k", "q2_k"):
            file = self.root / f"{type_name}.gguf"
            limbeck("quantize", source, "-o", file, "--type", type_name, "-q")
            ours = json.loads(limbeck("eval", file, "--text", text, "--json", "-q"))
            answers = llama_cpp(file, tokens[:ours["tokens"] + 1])
            ratio = perplexity(answers) / ours["perplexity"]
            print(f"{type_name}: llama.cpp {perplexity(answers):.4f}, ours {ours['perplexity']:.4f}")
            self.assertAlmostEqual(ratio, 1, delta=0.005, msg=type_name)


def add(name):
    setattr(LlamaCpp, f"test_{name}", lambda self: self.check_family(name))


for family in tiny_models.FAMILIES:
    add(family)
