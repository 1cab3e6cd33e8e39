"""The command: `python -m tests.chaos [PART …] [--short [--half N]] [--seed N] [--sabotage NAME]`.

Each part runs in its own process, with its own database and timeouts.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.children import Children
from tests.chaos.figures import Figures, table
from tests.chaos.guards import never_reached, read
from tests.chaos.sabotage import SABOTAGES, VARIABLE
from tests.chaos.surroundings import Surroundings, surroundings

PARTS = ("matrix", "stop", "kill", "ends", "restore", "payments")
# Those that connect workers by a broker.
_WITH_BROKER = ("kill", "ends", "restore")
# Those that a short run leaves out unless they are named: they start many processes.
_LONG = ("ends", "restore", "payments")
# UPSTREAM_ADD_TIMEOUT and SUBMISSION_LEASE_SECONDS of each part. "matrix" and "stop" wait for every late answer and
# every lease, so theirs are short, but long enough for a busy machine.
_BRIEF, _USUAL = ("0.8", "3"), ("1.5", "4")
_TIMEOUTS = {"matrix": _BRIEF, "stop": _BRIEF, "kill": _USUAL, "ends": _USUAL, "restore": _USUAL, "payments": _USUAL}
_SHORT_ORDERS, _HALF_ORDERS = 40, 15
_SHORT_PAYMENTS = 100


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that the temporary database is still dropped.
    if len(given.parts) > 1:
        return 0 if _run_parts(given).passed else 1
    [part] = given.parts
    os.environ["UPSTREAM_ADD_TIMEOUT"], os.environ["SUBMISSION_LEASE_SECONDS"] = _TIMEOUTS[part]
    # Elsewhere all orders of a case end at once, and the audit expects their refunds at the first poll.
    os.environ["WAVE_ORDERS"] = "10" if part == "ends" else "100000"
    os.environ[VARIABLE] = given.sabotage
    with surroundings(with_broker=part in _WITH_BROKER) as where:
        figures = _run_part(part, given, where)
    print(table(figures, title=f"{part} ({where.vendor}, seed {given.seed})"), end="\n\n", flush=True)
    if given.figures:
        Path(given.figures).write_text(figures.to_json())
    return 0 if figures.passed else 1


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Kills the panel's processes and makes providers fail."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--orders", type=int, default=600, help="how many orders the part kill creates")
    parser.add_argument("--payments", type=int, default=1_000, help="how many payments the part payments makes")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random choices")
    parser.add_argument("--short", action="store_true", help="a representative selection, within seconds")
    parser.add_argument("--half", type=int, choices=[1, 2], default=0, help="run only this half of the short cases")
    parser.add_argument(
        "--sabotage", choices=[*SABOTAGES], default="", help="break the panel on purpose: the run must then fail"
    )
    parser.add_argument("--stop-early", action="store_true", help="end the matrix at the first problem")
    parser.add_argument("--figures", default="", help="write the figures to this file, as JSON")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if given.half and not given.short:
        parser.error("--half needs --short")
    usual = [part for part in PARTS if part not in _LONG or not given.short]
    given.parts = [part for part in PARTS if part in (given.parts or usual)]
    return given


def _run_parts(given: Any) -> Figures:
    """Run each part in its own process, the short ones in parallel, and return their figures added up."""
    began = time.monotonic()
    whole = Figures()
    options = ["--orders", str(given.orders), "--seed", str(given.seed)]
    options += ["--sabotage", given.sabotage] if given.sabotage else []
    options += ["--half", str(given.half)] if given.half else []
    options += [name for name, wanted in (("--short", given.short), ("--stop-early", given.stop_early)) if wanted]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for part in given.parts:
                command = [sys.executable, "-m", "tests.chaos", part, *options, "--figures", f"{folder}/{part}"]
                running[part] = subprocess.Popen(command)
                if not given.short:
                    running[part].wait()
            for part, process in running.items():
                if process.wait() not in (0, 1) or not Path(folder, part).exists():
                    whole.problem("other problems", f"the part {part} crashed")
                else:
                    whole.merge(Figures.from_json(Path(folder, part).read_text()))
        finally:
            for process in running.values():
                process.terminate()
                process.wait()
    if set(given.parts) == set(PARTS) and not given.short:
        for guard in never_reached(whole.guards):
            whole.problem("other problems", f"the guard never acted: {guard}")
    whole.counts["seconds"] = round(time.monotonic() - began)
    print(table(whole, title=f"chaos, seed {given.seed}"), flush=True)
    return whole


def _run_part(part: str, given: Any, where: Surroundings) -> Figures:
    """Run one part in this process and its children."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    children = Children(where.folder)
    try:
        figures = _figures_of(part, given, where, children)
        figures.guards.update(read(where.folder))
        return figures
    finally:
        children.close()
        connections.close_all()


def _figures_of(part: str, given: Any, where: Surroundings, children: Children) -> Figures:
    from tests.chaos import ends, kill, matrix, payments, restore, stop

    has_broker = bool(where.redis_url)
    match part:
        case "matrix":
            cases = matrix.short_cases() if given.short else matrix.all_cases()
            if given.half:  # In pairs, because the two modes alternate: each half has both.
                cases = [case for number, case in enumerate(cases) if number // 2 % 2 == given.half - 1]
            return matrix.run(children=children, cases=cases, seed=given.seed, stop_early=given.stop_early)
        case "stop":
            return stop.run(children=children, short=given.short)
        case "ends":
            return ends.run(children=children, has_broker=has_broker, seed=given.seed)
        case "restore":
            hosts = restore.HOSTS[:1] if given.short else restore.HOSTS
            return restore.run(children=children, has_broker=has_broker, seed=given.seed, hosts=hosts)
        case "payments":
            return payments.run(payments=_SHORT_PAYMENTS if given.short else given.payments, seed=given.seed)
    return kill.run(
        children=children, redis_url=where.redis_url, orders=_order_count(given), seed=given.seed, kill_seconds=1.0
    )


def _order_count(given: Any) -> int:
    if given.half:
        return _HALF_ORDERS
    return _SHORT_ORDERS if given.short else int(given.orders)


if __name__ == "__main__":
    sys.exit(main())
