"""The table of compare.sh, from the files it left in the current folder: table.py SEED..."""
import json
import pathlib
import statistics
import sys


def spread(values, form):
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}} to {max(values):{form}})"


print("| arm | CPU s | wall s | training tokens/s of CPU | peak MB | accuracy, % |\n|---|---:|---:|---:|---:|---:|")
for arm in ("limbeck-soft", "trl-gkd", "limbeck-text", "trl-sft"):
    cpu, wall, speed, memory, accuracy = [], [], [], [], []
    for seed in sys.argv[1:]:
        name = f"{arm}-{seed}"
        seconds, user, system, kilobytes = map(float, pathlib.Path(f"{name}.time").read_text().split()[-4:])
        told = json.loads(pathlib.Path(f"{name}.json").read_text().strip().splitlines()[-1])
        score = json.loads(pathlib.Path(f"{name}.score").read_text())
        if arm.startswith("trl"):  # without the time its libraries take to load
            seconds, busy = told["seconds"], told["cpu_seconds"]
            speed.append(told["tokens"] / busy)
        else:
            busy = user + system
            speed.append(told["training"]["tokens"] / busy)
        cpu.append(busy)
        wall.append(seconds)
        memory.append(kilobytes / 1000)
        accuracy.append(100 * score["metrics"]["accuracy"]["value"] if "metrics" in score else 100 * score["value"])
    print(f"| {arm} | {spread(cpu, '.0f')} | {spread(wall, '.0f')} | {spread(speed, ',.0f')} | "
          f"{spread(memory, '.0f')} | {spread(accuracy, '.1f')} |")
