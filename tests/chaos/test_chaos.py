"""Runs the chaos tests on the servers of the test suite, and proves that they notice a broken panel.

The gate runs half of the short cases on each database; `make proof` runs all cases.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.figures import BAD

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
# A run that takes longer has failed. Long, because the machine may be busy with all other tests.
MAX_SECONDS = 1_200
# Which half of the short cases runs on this database.
HALF = "2" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "1"


def run_chaos(*arguments: str, max_seconds: float | None = MAX_SECONDS) -> tuple[int, str]:
    """Run `python -m tests.chaos` and return its exit code and its output."""
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    process = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=max_seconds
    )
    return process.returncode, process.stdout


def figure(name: str, printed: str) -> int:
    """Return the last figure of this name: the total of all parts."""
    return int(re.findall(rf"^{name} +([\d,]+)$", printed, re.M)[-1].replace(",", ""))


def check(code: int, printed: str) -> None:
    """Assert that the run passed, and that it tested something: kills, stops, and both ways to resolve doubts."""
    assert code == 0, printed
    assert {name: figure(name, printed) for name in BAD} == dict.fromkeys(BAD, 0), printed
    for name in ("combinations", "workers stopped", "kills", "resolved by ids", "resolved by repeating"):
        assert figure(name, printed) > 0, printed


@pytest.mark.slow
def test_orders_when_short_chaos_ends_then_all_match_providers():
    check(*run_chaos("--short", "--half", HALF))


@pytest.mark.proof
def test_orders_when_full_chaos_ends_then_all_match_providers():
    code, printed = run_chaos(max_seconds=None)
    print(printed)
    check(code, printed)


@pytest.mark.proof
def test_backup_when_restored_under_load_then_nothing_sent_twice():
    code, printed = run_chaos("restore")
    print(printed)
    assert code == 0, printed
    assert figure("orders sent after a backup", printed) >= 3 * 60, printed


@pytest.mark.once
def test_chaos_when_panel_binds_any_order_then_it_fails():
    code, printed = run_chaos("matrix", "--short", "--stop-early", "--sabotage", "misbind")
    assert code == 1, printed
    assert figure("misattributed", printed) > 0, printed
