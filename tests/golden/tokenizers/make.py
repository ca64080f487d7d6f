"""Small tokenizers with the ids and texts that the `tokenizers` package gives: see README.md."""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "interop"))
import test_tokenizers as interop  # noqa: E402

KEPT = ["llama3", "smollm", "boundaries", "classes", "added", "metaspace-first", "sentencepiece", "suffix", "prefix", "bert",
        "words-only", "unigram-bytes", "punctuation", "contiguous"]
TEXTS = interop.FRAGMENTS + interop.strings(160, interop.SPECIALS + ["<left>", " <both> ", "a jump"], seed=11)[-60:]
SIZES = {interop.BPE: 380, "suffix": 420, "prefix": 420, interop.WORDPIECE: 300, interop.WORDLEVEL: 120}


def main():
    interop.CORPUS = interop.FRAGMENTS * 3
    for kind, size in SIZES.items():
        interop.SIZES[kind] = size
    for name in KEPT:
        reference = interop.build(*interop.PIPELINES[name])
        ids = [e.ids for e in reference.encode_batch(TEXTS, add_special_tokens=False)]
        # How the package spells added tokens that are normalized is not what we want: see check() of the interop test.
        odd = {i for i, t in reference.get_added_tokens_decoder().items() if t.normalized}
        shown = [[i for i in line if i not in odd] for line in ids]
        decoded = reference.decode_batch(shown, skip_special_tokens=False)
        skipped = reference.decode_batch(shown, skip_special_tokens=True)
        golden = {"tokenizer": json.loads(reference.to_str()),
                  "frame": [reference.token_to_id("<s>"), reference.token_to_id("</s>")],
                  "odd": sorted(odd),
                  "cases": [{"text": t, "ids": i, "decoded": d, **({} if d == s else {"skipped": s})}
                            for t, i, d, s in zip(TEXTS, ids, decoded, skipped)]}
        text = json.dumps(golden, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")


main()
