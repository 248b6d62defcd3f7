"""Makes a table of what `cargo bench --bench exchange` printed: each way's fastest times, their ratios to chat on Converse, and allocations.

    for run in 1 2 3; do cargo bench --bench exchange; done | .venv/bin/python benches/table.py

Of several runs the fastest counts: what disturbs a run only ever adds to it. Allocations are new ones and those that grow.
"""

import re
import sys

COLUMNS = ["request", "answer", "delta", "stream"]
BASE = "Chat Converse"
UNITS = {"ns": 1e-3, "µs": 1, "ms": 1e3, "s": 1e6}


def read(lines):
    """(benchmark, way) to [microseconds, allocations]."""
    found, here, counted = {}, None, ""
    for line in lines:
        cells = [cell.strip() for cell in line.rstrip("\n").split("│")]
        if name := re.match(r"[├╰]─ (\w+)", line):
            bench = name[1]
        elif row := re.match(r"[│ ]  [├╰]─ (.+?)\s+([\d.]+) (ns|µs|ms|s)\s+│", line):
            here = found.setdefault((bench, row[1]), [float("inf"), 0])
            here[:] = [min(here[0], float(row[2]) * UNITS[row[3]]), 0]
            counted = ""
        elif kind := re.search(r"(max alloc|alloc|dealloc|grow|shrink):", line):
            counted = kind[1]
        elif here and counted in ("alloc", "grow"):
            number = re.search(r"[│ ]\s+([\d.]+)\s+│", line)
            here[1] += float(number[1]) if number else 0
            counted = ""
    return found


def cell(found, bench, way):
    if (bench, way) not in found:
        return "| | | "
    time, allocations = found[bench, way]
    base = found[bench, BASE][0]
    return f"| {time:.3g} | {time / base:.2f} | {allocations:.3g} "


def main():
    found = read(sys.stdin)
    print("| |", " | ".join(f"{name}, µs | x | allocations" for name in COLUMNS), "|")
    print("|---" * (1 + 3 * len(COLUMNS)) + "|")
    for way in dict.fromkeys(way for bench, way in found if bench == "request"):
        print(f"| {way} " + "".join(cell(found, bench, way) for bench in COLUMNS) + "|")


if __name__ == "__main__":
    main()
