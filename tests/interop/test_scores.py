"""Scores of answers against independent implementations, on answers made at random."""
import collections
import json
import random
import re
import string

import numpy as np
from rouge_score import rouge_scorer

WORDS = ("the a an cat Dog's mat, red. blue-green 1999 twelve Über naïve Straße — «oui» it's (that) "
         "co-op U.S. the, A. 3.5 x_y").split()


def sentence(rng, low=0, high=9):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def noisy(rng, text):
    words = [word for word in text.split() if rng.random() > 0.3]
    words += [rng.choice(WORDS) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.5:
        rng.shuffle(words)
    return " ".join(words)


def items_of(limbeck, folder, kind, rows, yaml=""):
    """rows of (gold, answer): the metrics, and each item as --predictions writes it."""
    (folder / "task.yaml").write_text(f"kind: {kind}\n{yaml}")
    with open(folder / "test.jsonl", "w") as test, open(folder / "answers.jsonl", "w") as answers:
        for i, (gold, answer) in enumerate(rows):
            test.write(json.dumps({"input": f"item {i}", "output": gold}) + "\n")
            answers.write(json.dumps({"answer": answer}) + "\n")
    out = folder / "predictions.jsonl"
    result = limbeck.json("eval", folder / "answers.jsonl", "--task", folder, "--predictions", out)
    assert result["n"] == len(rows)
    return result["metrics"], [json.loads(line) for line in open(out)]


# The formulas of SQuAD's evaluate-v2.0.py.
def squad_normal(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_f1(answer, gold):
    predicted, expected = squad_normal(answer).split(), squad_normal(gold).split()
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((collections.Counter(predicted) & collections.Counter(expected)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(expected)
    return 2 * precision * recall / (precision + recall)


def test_squad(limbeck, tmp_path):
    rng = random.Random(1)
    rows = []
    for _ in range(1000):
        golds = [sentence(rng) for _ in range(rng.randint(1, 3))]
        rows.append((golds, noisy(rng, rng.choice(golds))))
    metrics, items = items_of(limbeck, tmp_path, "qa", rows)
    exact = [max(float(squad_normal(a) == squad_normal(g)) for g in golds) for golds, a in rows]
    f1 = [max(squad_f1(a, g) for g in golds) for golds, a in rows]
    assert [item["score"] for item in items] == exact
    np.testing.assert_allclose([item["secondary"] for item in items], f1, atol=1e-12)
    assert 0.1 < np.mean(exact) < 0.9
    np.testing.assert_allclose(metrics["token_f1"]["value"], np.mean(f1), atol=1e-12)
    assert metrics["token_f1"]["low"] < np.mean(f1) < metrics["token_f1"]["high"]


def test_rouge_l(limbeck, tmp_path):
    rng = random.Random(2)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rows = []
    while len(rows) < 1000:  # ASCII: beyond it rouge_score knows no letters, and we do
        gold = sentence(rng, 1, 15).encode("ascii", "ignore").decode().strip()
        answer = noisy(rng, gold).encode("ascii", "ignore").decode()
        if gold:
            rows.append((gold, answer))
    _, items = items_of(limbeck, tmp_path, "generation", rows)
    for (gold, answer), item in zip(rows, items):
        expected = scorer.score(gold, answer)["rougeL"].fmeasure
        if re.search("[a-z0-9]", (gold + answer).lower()):
            assert abs(item["score"] - expected) < 1e-12, (gold, answer)


def test_macro_f1_and_accuracy(limbeck, tmp_path):
    rng = np.random.default_rng(3)
    labels = [f"label {i}" for i in range(12)]
    gold = rng.choice(labels, 600)
    answer = np.where(rng.random(600) < 0.7, gold, rng.choice([*labels, "none of them"], 600))
    metrics, _ = items_of(limbeck, tmp_path, "classification", list(zip(gold, answer)))
    scores = []
    for label in labels:  # scikit-learn's f1_score(labels=labels, average="macro")
        right = np.sum((gold == label) & (answer == label))
        scores.append(2 * right / (np.sum(gold == label) + np.sum(answer == label)))
    np.testing.assert_allclose(metrics["macro_f1"]["value"], np.mean(scores), atol=1e-12)
    np.testing.assert_allclose(metrics["accuracy"]["value"], np.mean(gold == answer), atol=1e-12)
    # Wilson's interval, solved as the quadratic that it is: |p - x| = z sqrt(x (1 - x) / n).
    p, n, z = np.mean(gold == answer), 600, 1.959963984540054
    roots = np.sort(np.roots([1 + z * z / n, -2 * p - z * z / n, p * p]))
    np.testing.assert_allclose([metrics["accuracy"]["low"], metrics["accuracy"]["high"]], roots,
                               atol=1e-9)


def test_field_f1(limbeck, tmp_path):
    rng = random.Random(4)
    fields = ["city", "date", "size"]

    def record():
        return {f: rng.choice(["x", "y", "z"]) for f in fields if rng.random() < 0.7}

    rows = [(record(), record()) for _ in range(400)]
    schema = "schema: from data\n"
    metrics, items = items_of(limbeck, tmp_path, "extraction",
                              [(gold, json.dumps(answer)) for gold, answer in rows], schema)
    right = sum(len(g.items() & a.items()) for g, a in rows)
    both = sum(len(g) + len(a) for g, a in rows)
    np.testing.assert_allclose(metrics["field_f1"]["value"], 2 * right / both, atol=1e-12)
    by_field = [2 * sum(f in g and g.get(f) == a.get(f) for g, a in rows) /
                sum((f in g) + (f in a) for g, a in rows) for f in fields]
    np.testing.assert_allclose(metrics["field_f1_macro"]["value"], np.mean(by_field), atol=1e-12)
    assert [item["score"] for item in items] == [float(g == a) for g, a in rows]
