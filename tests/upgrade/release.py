"""A release of the panel: its code, and processes of it."""

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

# The release before: the last commit in which every module lay where it lay before the rooms.
BEFORE = "205f493"

SECONDS = 120


def take_release_before(folder: Path) -> Path:
    """The code of the release before in a folder of its own, with this folder's modules, which speak to it."""
    git = ("git", "-C", str(ROOT))
    if subprocess.run([*git, "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True, check=False).returncode:
        pytest.fail(
            f"The release before, commit {BEFORE}, is not in this clone, and without it nothing about upgrades can be "
            "proved. A shallow clone has too little history: `git fetch --unshallow` gets the rest."
        )
    archive = subprocess.run([*git, "archive", BEFORE], capture_output=True, check=True).stdout
    tree = folder / "release-before"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(tree, filter="data")
    shutil.copytree(Path(__file__).parent, tree / "tests" / "upgrade")
    return tree


def run_python(root: Path, *arguments: str, **environment: str) -> str:
    """What a process in the tree of `root` printed. It must end well."""
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=plain_environment() | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, f"{arguments}: {run.stdout[-2_000:]}\n{run.stderr[-4_000:]}"
    return run.stdout


class Release:
    """Its code lies at `root`; all its processes have the same `environment`, and end with `closing`."""

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
        """One command of the module."""
        return self._commands.do(name, **values)

    def manage(self, *arguments: str) -> str:
        return run_python(self._root, "manage.py", *arguments, **self._environment)

    def names(self) -> dict[str, list[str]]:
        """What others know it by. With the demo's password: where it is set, there is one command more."""
        environment = {**self._environment, "DEMO_PASSWORD": "only-for-tests"}
        return json.loads(run_python(self._root, "-m", "tests.upgrade.names", **environment))

    def start(self, *celery: str) -> Process:
        command = (sys.executable, "-m", "celery", "-A", "panel", *celery, "--loglevel", "INFO")
        name = f"celery-{celery[0]}"
        process = Process(name, *command, folder=self._folder, environment=self._environment, root=self._root)
        self._closing.callback(process.close)
        return process
