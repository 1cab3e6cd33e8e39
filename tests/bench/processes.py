"""Runs each bench in its own process, so that no bench is affected by caches or memory of another."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from argparse import Namespace

from tests.bench.environment import described, own_panel, throwaway_panel

# How the process ends if something was over its budget.
OVER = 3


def run_alone(name: str, *, server: str, options: Namespace) -> int | None:
    """Run the bench on a new database of this server, or on the named one itself; return 0 or OVER if it went well."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(name, server, options))
    process.start()
    process.join()
    return process.exitcode


def _run(name: str, server: str, options: Namespace) -> None:
    keeps = name == "data" or options.filled
    is_over = False
    with own_panel(server) if keeps else throwaway_panel(server):
        print(f"\n{described()}", flush=True)
        for report in importlib.import_module(f"tests.bench.{name}").run(options):
            print(report, flush=True)
            is_over = is_over or bool(getattr(report, "over", ()))
    if is_over:
        sys.exit(OVER)
