#!/usr/bin/python3
"""Makes one table of the figures that tools/bench collected.

Usage: report.py DIR, with floor-THREADS-ROUND.json (bench_floor) and churn-ENGINE-CLIENTS-ROUND.json (bench_churn).
Prints the median over the rounds, the spread (lowest to highest), and each engine's ratio to the kernel's own cost.
"""
import json
import pathlib
import statistics
import sys
from collections import defaultdict

# The full work of a container without networks to set up: what an engine's churn is compared with.
FLOOR_STEPS = ("+network, cgroup v1", "+network, cgroup v2")


def load(folder):
    """{(kind, threads or clients): {"rate": [...], "p50": [...], "p99": [...]}}, one entry a round."""
    rows = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*.json"), key=lambda p: (not p.stem.startswith("floor"), p.stem)):
        data = json.loads(path.read_text())
        kind, *rest = path.stem.split("-")
        for entry in data if kind == "floor" else [data]:
            key = (f"floor: {entry['step']}", entry["threads"]) if kind == "floor" else (rest[0], entry["clients"])
            rows[key]["rate"].append(entry["rate"])
            for percentile in ("p50", "p99"):
                rows[key][percentile].append(entry["total"][percentile])
            if kind == "churn":
                for step in ("create", "start", "wait", "delete"):
                    rows[key][step].append(entry[step]["p50"])
    return rows


def spread(values):
    return f"{statistics.median(values):9.1f} ({min(values):.1f}-{max(values):.1f})"


def engine_steps(rows):
    for (name, width), row in rows.items():
        if "create" in row and width == 1:
            parts = " / ".join(f"{statistics.median(row[step]):.1f}" for step in ("create", "start", "wait", "delete"))
            yield f"{name}, 1 client, p50 of create / start / wait / delete: {parts} ms"


def ratios(rows):
    """The floor with as many threads as the machine has cores to keep busy is the bound for many clients."""
    for (name, width), row in sorted(rows.items()):
        if name.startswith("floor"):
            continue
        floors = [r for (n, w), r in rows.items() if n == f"floor: {FLOOR_STEPS[0]}" and (w == 1) == (width == 1)]
        floors = floors or [r for (n, w), r in rows.items() if n == f"floor: {FLOOR_STEPS[1]}" and (w == 1) == (width == 1)]
        peer = rows.get(("docker", width)) if name != "docker" else None
        text = f"{name}, {width} client(s):"
        if floors:
            rate = 100 * statistics.median(row["rate"]) / statistics.median(floors[0]["rate"])
            latency = statistics.median(row["p50"]) / statistics.median(floors[0]["p50"])
            text += f" {rate:.0f} % of the floor's rate, {latency:.1f} times its p50"
        if peer:
            text += f", {statistics.median(row['rate']) / statistics.median(peer['rate']):.1f} times Docker's rate"
        yield text


def main(folder):
    rows = load(pathlib.Path(folder))
    if not rows:
        print("no figures", file=sys.stderr)
        return 1
    print(f"{'':32} {'wide':>4}  {'rate /s: median (spread)':28} {'p50 ms':24} {'p99 ms':24}")
    for (name, width), row in rows.items():
        print(f"{name:32} {width:4}  {spread(row['rate']):28} {spread(row['p50']):24} {spread(row['p99']):24}")
    print()
    for line in (*engine_steps(rows), *ratios(rows)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
