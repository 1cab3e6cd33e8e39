"""The chaos, on the servers that the tests run on; and the proof that it notices a broken panel.

The gate plays half of the short cases on each database; `make proof` plays all cases.
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
# Seconds until a chaos that hangs fails: the machine may be busy with all other tests.
PATIENCE = 1_200
HALF = "2" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "1"


def chaos(*arguments: str, patience: float | None = PATIENCE) -> tuple[int, str]:
    """The exit code and what was printed."""
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=patience
    )
    return done.returncode, done.stdout


def figure(name: str, printed: str) -> int:
    """The last figure of that name: the one of all parts together."""
    return int(re.findall(rf"^{name} +([\d,]+)$", printed, re.M)[-1].replace(",", ""))


def check(code: int, printed: str) -> None:
    assert code == 0, printed
    assert {name: figure(name, printed) for name in BAD} == dict.fromkeys(BAD, 0), printed
    for name in ("combinations", "workers stopped", "kills", "settled by ids", "settled by repeat"):
        assert figure(name, printed) > 0, printed


@pytest.mark.slow
def test_no_order_is_doubled_lost_given_away_or_mistaken_for_another():
    check(*chaos("--short", "--half", HALF))


@pytest.mark.proof
def test_no_order_is_doubled_lost_given_away_or_mistaken_for_another_in_any_case():
    code, printed = chaos(patience=None)
    print(printed)
    check(code, printed)


@pytest.mark.once
def test_a_panel_that_binds_whatever_it_finds_is_noticed():
    code, printed = chaos("matrix", "--short", "--stop-early", "--sabotage", "misbind")
    assert code == 1, printed
    assert figure("misattributed", printed) > 0, printed
