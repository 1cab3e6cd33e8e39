"""Speed reports: `python -m tests.bench [submission polling catalog_sync …]`. Measures and prints, with the budgets.

With `--strict` it exits with 1 if one is over its budget; else only if something measured did not do its work.
`data` fills the database of DATABASE_URL itself and leaves it there; it runs only when it is named.

A bench is a module of this package, named in BENCHES, with `run(options)` that yields a Report for each table. Each
has a process and a database of its own, on SQLite and on PostgreSQL: see `environment.databases`.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.bench.environment import databases
from tests.bench.processes import OVER, run_alone

BENCHES = ("submission", "sending", "polling", "catalog_sync", "pages", "served", "dearest", "intake")
# Keeps what it writes.
DATA = "data"


def main() -> None:
    options = _options()
    over = []
    for server in databases():
        for name in options.benches or BENCHES:
            end = run_alone(name, server=server, options=options)
            if end not in (0, OVER):
                sys.exit(f"The bench {name} failed.")
            if end == OVER:
                over.append(name)
    if over and options.strict:
        sys.exit(f"Over budget: {', '.join(over)}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="How fast the panel is, here and now.")
    parser.add_argument(
        "benches", nargs="*", metavar="bench", help=f"which to run: {', '.join(BENCHES)} (all), or {DATA}"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if something is over its budget")
    submission = parser.add_argument_group("submission")
    submission.add_argument("--orders", type=int, default=2_000, help="how many orders each round has (2000)")
    submission.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is printed (3)")
    submission.add_argument("--latency", type=float, default=0, metavar="MS", help="what the provider takes (0)")
    sending = parser.add_argument_group("sending")
    sending.add_argument("--sending-seconds", type=float, default=20.0, help="how long each case lasts (20)")
    sending.add_argument(
        "--sending-latencies", type=_numbers, default=[0.0, 20.0, 300.0], metavar="MS", help="each (0,20,300)"
    )
    sending.add_argument("--hung-providers", type=int, default=30, help="how many accept and never answer (30)")
    polling = parser.add_argument_group("polling")
    polling.add_argument("--polled", type=int, default=100_000, help="how many orders are open (100000)")
    polling.add_argument("--naive", type=int, default=1_000, help="how many of them the baseline asks about (1000)")
    polling.add_argument(
        "--latencies", type=_numbers, default=[0.0, 100.0], metavar="MS", help="what the providers take, each (0,100)"
    )
    catalog = parser.add_argument_group("catalog_sync")
    catalog.add_argument("--catalog", type=int, default=10_000, help="how many services the provider lists (10000)")
    catalog.add_argument("--row-by-row", type=int, default=500, help="how many of them the baseline imports (500)")
    pages = parser.add_argument_group("pages")
    pages.add_argument(
        "--many", type=int, default=1_000_000, help="how many orders there are; on SQLite a tenth (1000000)"
    )
    pages.add_argument("--views", type=int, default=20, help="how often each page is opened (20)")
    pages.add_argument(
        "--filled",
        action="store_true",
        help="measure in the database of DATABASE_URL itself, which `data` filled and whose name holds “bench”",
    )
    served = parser.add_argument_group("served and dearest")
    served.add_argument("--listed", type=int, default=10_000, help="how many services are on sale (10000)")
    served.add_argument("--connections", type=_wholes, default=[1, 8, 32], help="how many ask at once (1,8,32)")
    served.add_argument("--served-rounds", type=int, default=2, help="rounds, which are counted together (2)")
    served.add_argument("--served-seconds", type=float, default=2.0, help="how long each load lasts in a round (2)")
    options = parser.parse_args()
    unknown = sorted(set(options.benches) - {*BENCHES, DATA})
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    if min(options.orders, options.rounds, options.naive) < 1 or options.polled < 3 * options.naive:
        parser.error("--orders, --rounds and --naive begin at 1, --polled at three times --naive")
    if options.row_by_row < 1 or options.catalog < max(100, options.row_by_row):
        parser.error("--row-by-row begins at 1, --catalog at 100 and at --row-by-row")
    if options.many < 1_000 or options.views < 3:
        parser.error("--many begins at 1000, --views at 3")
    if (options.filled or DATA in options.benches) and not os.environ.get("DATABASE_URL"):
        parser.error(f"--filled and {DATA} need DATABASE_URL")
    if options.filled and (
        options.benches != ["pages"] or "bench" not in os.environ["DATABASE_URL"].rpartition("/")[2]
    ):
        parser.error("--filled is for the bench pages alone, in a database whose name holds “bench”")
    if min(options.listed, options.served_rounds, *options.connections) < 1 or options.served_seconds < 0.5:
        parser.error("--listed, --served-rounds and --connections begin at 1, --served-seconds at 0.5")
    if min(options.latency, *options.latencies) < 0:
        parser.error("--latency and --latencies begin at 0")
    return options


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _wholes(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
