"""The table of compare.sh, from the files it left in the current folder: table.py SEED..."""
import json
import pathlib
import random
import statistics
import sys

SEEDS = sys.argv[1:]
PAIRS = (("limbeck-soft", "trl-gkd"), ("limbeck-soft", "trl-gkd-time"), ("limbeck-text", "trl-sft"))


def spread(values, form):
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}} to {max(values):{form}})"


def read(arm, seed):
    """CPU seconds, wall seconds, tokens/s of training, peak MB, accuracy in %."""
    name = f"{arm}-{seed}"
    seconds, user, system, kilobytes = map(float, pathlib.Path(f"{name}.time").read_text().split()[-4:])
    told = json.loads(pathlib.Path(f"{name}.json").read_text().strip().splitlines()[-1])
    score = json.loads(pathlib.Path(f"{name}.score").read_text())
    if arm.startswith("trl"):  # without the time its libraries take to load
        seconds, busy, speed = told["seconds"], told["cpu_seconds"], told["tokens"] / told["seconds"]
    else:
        busy, speed = user + system, told["training"]["tokens"] / told["training"]["seconds"]
    return busy, seconds, speed, kilobytes / 1000, 100 * score["metrics"]["accuracy"]["value"]


def items(arm):
    """Each test item's right answers over the seeds."""
    lists = [[json.loads(line)["score"] for line in pathlib.Path(f"{arm}-{seed}.items").read_text().splitlines()]
             for seed in SEEDS]
    return [sum(scores) / len(scores) for scores in zip(*lists)]


print("| arm | CPU s | wall s | training tokens/s | peak MB | accuracy, % |\n|---|---:|---:|---:|---:|---:|")
def ran(arm):
    return all(pathlib.Path(f"{arm}-{seed}.score").exists() for seed in SEEDS)


for arm in filter(ran, ("limbeck-soft", "trl-gkd", "trl-gkd-time", "limbeck-text", "trl-sft")):
    cpu, wall, speed, memory, accuracy = zip(*(read(arm, seed) for seed in SEEDS))
    print(f"| {arm} | {spread(cpu, '.0f')} | {spread(wall, '.0f')} | {spread(speed, ',.0f')} | "
          f"{spread(memory, '.0f')} | {spread(accuracy, '.1f')} |")
print()
for ours, theirs in PAIRS:
    if not (ran(ours) and ran(theirs)):
        continue
    ratios = [read(theirs, seed)[0] / read(ours, seed)[0] for seed in SEEDS]
    differences = [100 * (a - b) for a, b in zip(items(ours), items(theirs))]
    draw = random.Random(1)
    means = sorted(statistics.fmean(draw.choices(differences, k=len(differences))) for _ in range(2000))
    print(f"{ours} and {theirs}: {spread(ratios, '.2f')} times the processor time; accuracy "
          f"{statistics.fmean(differences):+.1f} points ({means[50]:+.1f} to {means[1949]:+.1f}, paired bootstrap "
          f"over {len(differences)} items of {len(SEEDS)} seeds)")
