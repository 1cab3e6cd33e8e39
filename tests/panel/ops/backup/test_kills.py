"""A restore that is killed leaves the old database or the stopped new one, wherever it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.commands import ROOT, SECRETS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


@pytest.mark.parametrize(
    "every",
    [
        pytest.param(1, marks=pytest.mark.proof, id="each-line"),
        pytest.param(29, marks=pytest.mark.slow, id="some-lines"),
    ],
)
def test_restore_when_killed_then_the_old_or_the_stopped_database(backup, new_database, tmp_path, every):
    database = new_database(empty=False)
    done = subprocess.run(
        [sys.executable, "-m", "tests.panel.ops.backup.kills", str(backup.folder), str(every)],
        cwd=ROOT,
        env={
            "PATH": os.environ.get("PATH", ""),
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            "DATABASE_URL": database.url,
            "VAR_DIR": str(tmp_path / "host"),
            **SECRETS,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert "bad" not in found, done.stdout
    assert found["old"] and found["stopped"]
