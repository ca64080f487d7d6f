"""A run's event files, read by TensorBoard: the same numbers as metrics.jsonl."""
import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CONFIG = """
tokenizer: {train: {vocab_size: 300}}
model: {hidden: 32, layers: 2, heads: 2, ffn: 48, context: 32}
data: [text.txt]
dev: {share: 0.1}
train: {epochs: 2, batch_tokens: 256, learning_rate: 0.01, tensorboard: true}
"""


def test_event_files(limbeck, tmp_path):
    (tmp_path / "text.txt").write_text(" ".join(f"word{i % 17} and {i % 5}." for i in range(600)))
    (tmp_path / "train.yaml").write_text(CONFIG)
    limbeck("train", "--config", tmp_path / "train.yaml", "-o", tmp_path / "model", "--threads", 1)
    lines = [json.loads(line) for line in open(tmp_path / "model.metrics.jsonl")]
    events = EventAccumulator(str(tmp_path / "model.metrics.tensorboard"))
    events.Reload()
    assert {"loss", "dev", "learning_rate", "gradient_norm"} <= set(events.Tags()["scalars"])
    for tag in ("loss", "dev"):
        ours = [(line["step"], line[tag]) for line in lines if tag in line]
        theirs = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        assert [value for _, value in theirs] == pytest.approx([value for _, value in ours], rel=1e-6)
