"""Databases that are migrated already: made once for each set of migrations, then copied for each process.

Migrating takes longer than a hundred tests. What follows the migrations (permissions, roles) is done again in each
copy, so only the migrations, with the code that they import, say which template is meant.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "var" / "test-templates"


def fingerprint(migrations: Iterable[str]) -> str:
    """Of these modules, of what they import of ours, and of Django, which carries them out."""
    content = hashlib.sha256(" ".join([metadata.version("django"), *sorted(migrations)]).encode())
    for path in sorted(_sources(migrations)):
        content.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return content.hexdigest()[:16]


def all_migrations() -> set[str]:
    """The modules with the migrations of all apps."""
    return {type(one).__module__ for one in MigrationLoader(None).disk_migrations.values()}


def copied(connection: Any, target: Path, *, folder: Path = FOLDER) -> Path:
    """Makes `target` a migrated database of SQLite, and returns what it is a copy of."""
    folder.mkdir(parents=True, exist_ok=True)
    template, unfinished = folder / f"{fingerprint(all_migrations())}.sqlite3", folder / "unfinished.sqlite3"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            for stale in folder.glob("*.sqlite3*"):
                stale.unlink()
            migrate(connection, unfinished)
            unfinished.rename(template)
        shutil.copyfile(template, target)
    return template


def on_the_server(connection: Any) -> str:
    """The name of a migrated database on the PostgreSQL server of `connection`."""
    base = f"template_{connection.settings_dict['NAME']}"
    template, unfinished = f"{base}_{fingerprint(all_migrations())}", f"{base}_unfinished"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [base])  # Until this connection is closed.
        cursor.execute("SELECT datname FROM pg_database")
        present = [name for [name] in cursor.fetchall()]
        if template not in present:
            for name in present:
                if re.fullmatch(rf"{re.escape(base)}_([0-9a-f]{{16}}|unfinished)", name):
                    cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{unfinished}"')
            migrate(connection, unfinished)
            cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{template}"')
    return template


def migrate(connection: Any, name: Path | str) -> None:
    """All of the database `name`, which nobody is connected to afterwards."""
    given = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, database=connection.alias, run_syncdb=True)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = given


def _sources(modules: Iterable[str]) -> set[Path]:
    """The files of these modules, and of those in this checkout that they import, near and far."""
    found: dict[str, Path] = {}
    waiting = [*modules]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file(name)
        if path and (name in modules or ROOT in path.parents and not path.is_relative_to(sys.prefix)):
            found[name] = path
            waiting += _imports(path)
    return {*found.values()}


def _imports(path: Path) -> Iterator[str]:
    """What a file may import: the names in `from … import …` may be modules, or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _file(module: str) -> Path | None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # Its parent is no package: it is a name in there.
        return None
    return Path(found.origin) if found and found.has_location and found.origin else None
