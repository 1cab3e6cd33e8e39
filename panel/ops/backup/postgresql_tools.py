"""Find PostgreSQL's programs and run them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from panel.ops.backup.files import BackupError

_NAMES = ("pg_dump", "pg_restore", "psql")
# Where the packages of Debian and of Red Hat put each major version.
_PACKAGES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs of one major version, in one folder."""

    folder: Path
    version: int

    @property
    def pg_dump(self) -> str:
        return str(self.folder / "pg_dump")

    @property
    def pg_restore(self) -> str:
        return str(self.folder / "pg_restore")

    @property
    def psql(self) -> str:
        return str(self.folder / "psql")


def find_tools(*, at_least: int) -> Tools:
    """Return the oldest programs that are of this major version or newer. Raise BackupError if there are none.

    Older ones refuse a newer server, and much newer ones may write what the server does not understand.
    """
    found: dict[int, Tools] = {}
    for folder in _folders():
        if all((folder / name).is_file() for name in _NAMES) and (version := _version(folder / "pg_dump")):
            found.setdefault(version, Tools(folder, version))
    fitting = [version for version in found if version >= at_least]
    if fitting:
        return found[min(fitting)]
    have = f"only version {max(found)} was found" if found else "none was found"
    raise BackupError(
        f"This needs pg_dump, pg_restore and psql of PostgreSQL {at_least} or newer, and {have}. Install the package "
        f"postgresql-client-{at_least}, or put the programs' folder into PATH."
    )


def run_tool(command: Sequence[str], *, environment: Mapping[str, str]) -> None:
    """Run the program. Raise BackupError with its last words if it fails. Its files are for their owner only."""
    done = subprocess.run(  # noqa: S603
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        umask=0o077,
        check=False,
    )
    if done.returncode:
        words = " ".join(done.stderr.strip().splitlines()[-3:])
        raise BackupError(f"{Path(command[0]).name} failed: {words or f'exit code {done.returncode}'}")


def _folders() -> Iterator[Path]:
    for pattern in _PACKAGES:
        yield from sorted(Path("/").glob(pattern))
    yield from (Path(one) for one in os.get_exec_path())


def _version(program: Path) -> int:
    """Return the major version, or 0 if the program does not say."""
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0
