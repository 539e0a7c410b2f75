"""Wall time of `azc run` from a cold start, and how much of it the interpreter takes.

    python benchmarks/startup.py [--repeat 11]

Each run is a new process; the first one, which fills the file cache, is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = (
    ("--help",),
    ("ops",),
    ("run", "logistic", "--task", "digits", "--json"),
    ("run", "softmax", "--task", "digits:all", "--json"),
    ("run", "network", "--task", "teacher-nn", "--json"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    print("wall s: median (min–max)  evaluating s  command")
    for arguments in COMMANDS:
        walls, inside = [], []
        for _ in range(repeat + 1):
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "azc", *arguments], capture_output=True, check=True
            )
            walls.append(time.perf_counter() - started)
            if "--json" in arguments:
                inside.append(json.loads(done.stdout)["seconds"])
        del walls[0]
        evaluating = f"{statistics.median(inside):.4f}" if inside else ""
        print(
            f"{statistics.median(walls):12.2f} ({min(walls):.2f}–{max(walls):.2f}) "
            f"{evaluating:>13}  azc {' '.join(arguments)}"
        )


if __name__ == "__main__":
    main()
