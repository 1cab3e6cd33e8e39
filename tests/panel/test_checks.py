"""The system checks name each setting that is wrong."""

from __future__ import annotations

import re
import sqlite3

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks

from panel.env_file import write_env
from tests.commands import run_python


def ids():
    return {problem.id for problem in run_checks()}


def test_checks_when_settings_are_valid_then_no_messages():
    assert not {one for one in ids() if one.startswith("panel.")}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FIELD_ENCRYPTION_KEYS", ["not-a-key"], "panel.E001"),
        ("FIELD_ENCRYPTION_KEYS", [Fernet.generate_key().decode(), ""], "panel.E001"),
        ("FIELD_ENCRYPTION_KEYS", ["é" * 44], "panel.E001"),
        ("PANEL_ACCENT", "red; } body { display: none", "panel.E002"),
        ("PANEL_ACCENT", "#4f46e5\n", "panel.E002"),
        ("PANEL_ACCENT", "#fff", "panel.E002"),
        ("PANEL_CURRENCY", "usd", "panel.E003"),
        ("PANEL_CURRENCY", "$", "panel.E003"),
        ("PANEL_CURRENCY", "", "panel.E003"),
        ("API_RATE_PER_KEY", "1200", "panel.E011"),
        ("API_RATE_PER_KEY", "0/m", "panel.E011"),
        ("API_RATE_PER_KEY", "1200/minute", "panel.E011"),
        ("API_RATE_PER_ADDRESS", "", "panel.E011"),
        ("API_DUPLICATE_WINDOW", -1, "panel.E012"),
        ("API_DUPLICATE_WINDOW", 86_401, "panel.E012"),
    ],
)
def test_checks_when_a_setting_is_malformed_then_error(settings, name, value, expected):
    setattr(settings, name, value)
    assert expected in ids()


@pytest.mark.parametrize(("version", "missing"), [((3, 32, 3), True), ((3, 33, 0), False), ((3, 45, 1), False)])
def test_checks_when_sqlite_is_too_old_to_poll_orders_then_error(settings, monkeypatch, version, missing):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    settings.USES_SQLITE = True
    assert ("panel.E010" in ids()) == missing
    settings.USES_SQLITE = False
    assert "panel.E010" not in ids()


@pytest.mark.once
@pytest.mark.parametrize(
    ("given", "checks"),
    [
        ({"SUBMISSION_LEASE_SECONDS": "61"}, ["panel.E005"]),
        ({"UPSTREAM_ADD_TIMEOUT": "100"}, ["panel.E005"]),
        (
            {
                "POLL_INTERVALS": "0,5",
                "DOUBT_DEADLINE_MINUTES": "0",
                "SITE_URL": "panel.example.com",
                "UPSTREAM_ADD_TIMEOUT": "0",
                "QUEUE_LIMIT_HOURS": "0",
            },
            ["panel.E004", "panel.E006", "panel.E007", "panel.E008", "panel.E009"],
        ),
    ],
)
def test_checks_when_settings_cannot_work_then_an_error_for_each(tmp_path, given, checks):
    write_env(tmp_path / ".env")
    run = run_python("manage.py", "check", ENV_FILE=str(tmp_path / ".env"), **given)
    assert run.returncode != 0
    assert sorted(re.findall(r"\((panel\.E\d+)\)", run.stderr)) == checks, run.stderr
