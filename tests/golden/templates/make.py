"""Writes the golden files of the chat template tests: python3 make.py [DATA/tokenizers].

snippets.json: small templates and their text by jinja2. shared.json: hashes of every template found
under DATA/tokenizers (not part of this project), rendered with every conversation."""

import hashlib
import json
import os
import pathlib
import sys

os.environ["TZ"] = "UTC"
from conversations import contexts  # noqa: E402
from oracle import NOW, render  # noqa: E402
from snippets import CONTEXT, ONE_LINE, SEVERAL_LINES  # noqa: E402

HERE = pathlib.Path(__file__).parent


def shared_templates(folder):
    """(name, source) of each chat template below `folder`."""
    for path in sorted(folder.rglob("*.jinja")):
        yield str(path.relative_to(folder)), path.read_text(encoding="utf-8")
    for path in sorted(folder.rglob("tokenizer_config.json")):
        source = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
        if isinstance(source, str):
            yield str(path.relative_to(folder)), source


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    cases = [{"template": t, "text": render(t, CONTEXT)} for t in ONE_LINE + SEVERAL_LINES]
    write("snippets.json", {"now": NOW, "context": CONTEXT, "cases": cases})
    if len(sys.argv) < 2:
        return
    hashes = {}
    for name, source in shared_templates(pathlib.Path(sys.argv[1])):
        texts = {key: render(source, context) for key, context in contexts().items()}
        hashes[name] = {
            key: text if text is None else hashlib.sha256(text.encode()).hexdigest()[:16] for key, text in texts.items()
        }
    write("shared.json", {"now": NOW, "conversations": contexts(), "hashes": hashes})


if __name__ == "__main__":
    main()
