"""What the audit says of pip-audit's answers: nothing known, something known, and not asked are three things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.supply.audit import FOUND, UNKNOWN, UNREACHED, judged

CLEAN = {"name": "six", "version": "1.17.0", "vulns": []}
WEAK = {"name": "django", "version": "5.2.0", "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["5.2.1"]}]}
SKIPPED = {"name": "idna", "skip_reason": "Dependency not found"}


def answer(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("out", "err", "code", "said"),
    [
        (answer(CLEAN), "", 0, "No known vulnerabilities in 1 packages."),
        (answer(CLEAN, WEAK), "Found 1", FOUND, "django 5.2.0: PYSEC-2025-1, fixed in 5.2.1"),
        (answer(WEAK, SKIPPED), "Found 1", FOUND, "No answer about 1 of 2 packages"),
        # What pip-audit calls a success where only the files of packages can be reached.
        (answer(SKIPPED, SKIPPED), "No known vulnerabilities found", UNKNOWN, UNREACHED),
        (answer(CLEAN, SKIPPED), "No known vulnerabilities found", UNKNOWN, "No answer about 1 of 2 packages, idna"),
        (answer(), "", UNKNOWN, UNREACHED),
        ("", "Traceback …\nConnectionError: no route", UNKNOWN, "ConnectionError: no route"),
    ],
)
def test_audit_when_pip_audit_answers_then_code_and_text_say_it(out, err, code, said):
    found, text = judged(out, err)
    assert found == code
    assert said in text
