"""Speed reports: `python -m tests.bench [submission …] [--orders 2000]`. Measures and prints; judges no time.

A bench is a module of this package, named in BENCHES, with `run(options) -> Report`. It is imported once
Django is set up on a database of its own.
"""

from __future__ import annotations

import argparse
import importlib

from tests.bench.environment import described, throwaway_panel

BENCHES = ("submission",)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="How fast the panel is, here and now.")
    parser.add_argument("benches", nargs="*", metavar="bench", help=f"which to run: {', '.join(BENCHES)} (all)")
    parser.add_argument("--orders", type=int, default=2_000, help="how many orders each round has (2000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is printed (3)")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="what the provider takes to answer (0)")
    options = parser.parse_args()
    unknown = sorted(set(options.benches) - set(BENCHES))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    if min(options.orders, options.rounds) < 1 or options.latency < 0:
        parser.error("--orders and --rounds begin at 1, --latency at 0")
    with throwaway_panel():
        print(described(), flush=True)
        for name in options.benches or BENCHES:
            print(importlib.import_module(f"tests.bench.{name}").run(options), flush=True)


if __name__ == "__main__":
    main()
