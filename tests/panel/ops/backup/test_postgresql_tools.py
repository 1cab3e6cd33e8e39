"""PostgreSQL's programs: found by version, run without secrets in their arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from panel.ops.backup import postgresql_tools
from panel.ops.backup.files import BackupError
from panel.ops.backup.postgresql_tools import find_tools, run_tool


@pytest.fixture
def only_these(monkeypatch, tmp_path):
    """Lets only the programs in the folders be found that it creates, by version."""
    monkeypatch.setattr(postgresql_tools, "_PACKAGES", (f"{tmp_path.relative_to('/')}/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    def create(*versions: str, names: tuple[str, ...] = ("pg_dump", "pg_restore", "psql")) -> None:
        for version in versions:
            for name in names:
                path = tmp_path / version / "bin" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version} (Debian)'\n")
                path.chmod(0o755)

    return create


def test_tools_when_several_versions_then_the_oldest_that_fits(only_these):
    only_these("14.2", "16.1", "18beta1")
    assert find_tools(at_least=15).version == 16
    assert find_tools(at_least=14).version == 14
    assert find_tools(at_least=17).version == 18


def test_tools_when_missing_then_says_what_to_install(only_these):
    with pytest.raises(BackupError, match="none was found. Install the package postgresql-client-15"):
        find_tools(at_least=15)


def test_tools_when_older_than_the_server_then_refused(only_these):
    only_these("14.2")
    with pytest.raises(BackupError, match="PostgreSQL 15 or newer, and only version 14 was found"):
        find_tools(at_least=15)


def test_tools_when_not_all_are_there_then_not_used(only_these):
    only_these("15.1", names=("pg_dump",))
    with pytest.raises(BackupError, match="none was found"):
        find_tools(at_least=15)


def test_tool_when_it_fails_then_its_last_words():
    with pytest.raises(BackupError, match="sh failed: no such table"):
        run_tool(["sh", "-c", "echo no such table >&2; exit 3"], environment={})


def test_tool_when_it_writes_a_file_then_for_its_owner_only(tmp_path: Path):
    run_tool(["sh", "-c", f"echo x > {tmp_path}/dump"], environment={})
    assert (tmp_path / "dump").stat().st_mode & 0o077 == 0
