"""Chat templates, equal to python3-jinja2 set up as transformers sets it up.

Needs: pytest, jinja2. LIMBECK names the program; LIMBECK_TEST_DATA the folder of real data.
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("jinja2")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/golden/templates"))
os.environ["TZ"] = "UTC"
from conversations import contexts  # noqa: E402
from make import shared_templates  # noqa: E402
from oracle import NOW, render  # noqa: E402
from snippets import CONTEXT, ONE_LINE, SEVERAL_LINES  # noqa: E402

LIMBECK = os.environ.get("LIMBECK", str(ROOT / "build/release/limbeck")).split()
DATA = pathlib.Path(os.environ.get("LIMBECK_TEST_DATA", ROOT.parent / "shared/data")) / "tokenizers"


def limbeck_renders(source, inputs, folder):
    """The text for each context, None where the program refuses."""
    path = folder / "template.jinja"
    path.write_bytes(source.encode())
    lines = "".join(json.dumps(one) + "\n" for one in inputs)
    done = subprocess.run(
        [*LIMBECK, "template", str(path), "--lines", "--now", str(NOW)],
        input=lines.encode(), capture_output=True, env={**os.environ, "TZ": "UTC"}, check=False)
    if done.returncode != 0:  # the template itself is refused
        assert done.returncode == 3, done.stderr
        return [None] * len(inputs)
    return [json.loads(line).get("text") for line in done.stdout.split(b"\n") if line]


@pytest.mark.parametrize("source", ONE_LINE + SEVERAL_LINES)
def test_snippets(source, tmp_path):
    assert limbeck_renders(source, [CONTEXT], tmp_path) == [render(source, CONTEXT)]


@pytest.mark.skipif(not DATA.is_dir(), reason="no real templates here")
def test_real_templates(tmp_path):
    inputs = contexts()
    compared = 0
    for name, source in shared_templates(DATA):
        ours = limbeck_renders(source, list(inputs.values()), tmp_path)
        for (conversation, context), text in zip(inputs.items(), ours, strict=True):
            assert text == render(source, context), f"{name}, {conversation}"
            compared += 1
    assert compared >= 300
