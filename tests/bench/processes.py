"""Runs each bench in its own process, so that no bench is affected by caches or memory of another."""

from __future__ import annotations

import importlib
import multiprocessing
from argparse import Namespace

from tests.bench.environment import described, throwaway_panel


def run_alone(name: str, *, server: str, options: Namespace) -> bool:
    """Run the bench on a new database of this server. Return whether it succeeded."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(name, server, options))
    process.start()
    process.join()
    return process.exitcode == 0


def _run(name: str, server: str, options: Namespace) -> None:
    with throwaway_panel(server):
        print(f"\n{described()}", flush=True)
        for report in importlib.import_module(f"tests.bench.{name}").run(options):
            print(report, flush=True)
