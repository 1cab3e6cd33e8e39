"""A release of the panel: its code, and processes that run it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chain.processes import ROOT, CommandProcess, Process, plain_environment

# The release before: the last commit in which every module had its old place.
BEFORE = "205f493"

# How long a process of `run_python` may take.
MAX_SECONDS = 120


def take_release_before(folder: Path) -> Path:
    """Extract the release before below `folder`, with the current `tests/upgrade` in it. Return its root."""
    git = ("git", "-C", str(ROOT))
    if subprocess.run([*git, "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True, check=False).returncode:
        pytest.fail(
            f"The release before, commit {BEFORE}, is not in this clone, and upgrades cannot be tested without it. "
            "A shallow clone has too little history: `git fetch --unshallow` gets the rest."
        )
    archive = subprocess.run([*git, "archive", BEFORE], capture_output=True, check=True).stdout
    tree = folder / "release-before"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(tree, filter="data")
    shutil.copytree(Path(__file__).parent, tree / "tests" / "upgrade")
    return tree


def run_python(root: Path, *arguments: str, **environment: str) -> str:
    """Run Python in the folder `root` and return what it printed. Fail unless it exits with 0."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=plain_environment() | environment,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )
    assert process.returncode == 0, f"{arguments}: {process.stdout[-2_000:]}\n{process.stderr[-4_000:]}"
    return process.stdout


class Release:
    """A release with its code at `root`. Its processes share `environment` and end when `closing` is closed."""

    def __init__(
        self, root: Path, *, module: str, environment: dict[str, str], folder: Path, closing: ExitStack
    ) -> None:
        self._root = root
        self._environment = environment
        self._folder = folder
        self._closing = closing
        folder.mkdir()
        self._commands = CommandProcess(module, log=folder / "commands.log", environment=environment, root=root)
        closing.callback(self._commands.close)

    def do(self, name: str, /, **values: Any) -> Any:
        """Run one command of the module and return its result."""
        return self._commands.do(name, **values)

    def manage(self, *arguments: str) -> str:
        return run_python(self._root, "manage.py", *arguments, **self._environment)

    def names(self) -> dict[str, list[str]]:
        """Return what `tests.upgrade.names` prints. DEMO_PASSWORD is set, because one command exists only with it."""
        environment = {**self._environment, "DEMO_PASSWORD": "only-for-tests"}
        return json.loads(run_python(self._root, "-m", "tests.upgrade.names", **environment))

    def start(self, *celery: str) -> Process:
        command = (sys.executable, "-m", "celery", "-A", "panel", *celery, "--loglevel", "INFO")
        name = f"celery-{celery[0]}"
        process = Process(name, *command, folder=self._folder, environment=self._environment, root=self._root)
        self._closing.callback(process.close)
        return process
