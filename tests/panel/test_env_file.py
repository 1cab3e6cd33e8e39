"""`.env` is written with fresh secrets, readable by its owner only, and never overwritten."""

from __future__ import annotations

import os
import stat

import pytest
from cryptography.fernet import Fernet

from panel.env_file import add_demo_settings, write_env
from tests.commands import run_python


@pytest.mark.parametrize("demo", [False, True])
def test_write_env_when_missing_then_new_secrets_for_owner_only(tmp_path, demo):
    before = os.umask(0)
    try:
        assert write_env(tmp_path / ".env")
        assert write_env(tmp_path / "another")
    finally:
        os.umask(before)
    if demo:
        add_demo_settings(tmp_path / ".env")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    lines = (tmp_path / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert len(values["SECRET_KEY"]) > 50
    Fernet(values["FIELD_ENCRYPTION_KEYS"])
    assert ("UPSTREAM_ALLOW_PRIVATE" in values) is demo
    assert ("DEMO_PASSWORD" in values) is demo
    # Each secret is different.
    text = (tmp_path / "another").read_text()
    assert values["SECRET_KEY"] not in text
    assert values["FIELD_ENCRYPTION_KEYS"] not in text


def test_write_env_when_one_exists_then_unchanged(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    path.chmod(0o640)
    assert not write_env(path)
    assert path.read_text() == "SECRET_KEY=mine\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_write_env_when_name_is_dangling_link_then_nothing_written(tmp_path):
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert not write_env(tmp_path / ".env")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.once
def test_written_env_when_used_then_the_site_starts(tmp_path):
    assert write_env(tmp_path / ".env")
    assert add_demo_settings(tmp_path / ".env")
    run = run_python("manage.py", "check", ENV_FILE=str(tmp_path / ".env"))
    assert run.returncode == 0, run.stderr
