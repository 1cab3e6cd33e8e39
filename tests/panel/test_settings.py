"""Missing or empty settings stop the start with a helpful message."""

from __future__ import annotations

import pytest

from panel.env_file import add_demo_settings, write_env
from tests.commands import SECRETS, run_python


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(SECRETS))
def test_settings_when_secret_is_missing_then_message_explains_fix(name):
    given = {other: value for other, value in SECRETS.items() if other != name}
    run = run_python("manage.py", "check", **given)
    assert run.returncode != 0
    last = run.stderr.strip().splitlines()[-1]
    assert f"{name} is not set: " in last
    assert "python -m panel.env_file" in last
    assert all(value not in run.stderr for value in given.values())


@pytest.mark.once
def test_settings_when_both_secrets_are_given_then_the_checks_pass():
    run = run_python("manage.py", "check", **SECRETS)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    assert "no issues" in run.stdout


@pytest.mark.once
def test_settings_when_encryption_key_malformed_then_start_fails():
    run = run_python("manage.py", "check", **{**SECRETS, "FIELD_ENCRYPTION_KEYS": "not-a-key"})
    assert run.returncode == 1
    assert "panel.E001" in run.stderr
    assert "not-a-key" not in run.stderr


def test_add_demo_settings_when_some_exist_then_only_missing_added(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\nDEMO_PASSWORD=chosen\n")
    assert "DEMO_PASSWORD" not in add_demo_settings(path)
    text = path.read_text()
    assert text.startswith("SECRET_KEY=mine\nDEMO_PASSWORD=chosen\n") and "UPSTREAM_ALLOW_PRIVATE=true" in text
    assert add_demo_settings(path) == []


@pytest.mark.once
def test_settings_when_empty_then_not_set(tmp_path):
    """With the example file unchanged, every line must leave the default in place."""
    write_env(tmp_path / ".env")
    names = ("ALLOWED_HOSTS", "POLL_INTERVALS", "DATABASE_URL", "CACHE_URL", "DOUBT_DEADLINE_MINUTES", "EMAIL_URL")
    code = (
        "from django.conf import settings; from panel.site import registry as site; "
        "print(settings.ALLOWED_HOSTS, site.POLL_INTERVALS.value)"
    )
    run = run_python(
        "manage.py",
        "shell",
        "--no-imports",
        "-c",
        code,
        ENV_FILE=str(tmp_path / ".env"),
        SITE_URL="https://panel.example.com",
        **dict.fromkeys(names, ""),
    )
    assert "['panel.example.com'] (60, 300, 900, 3600)" in run.stdout, run.stderr
