"""Migrate a template database once for each set of migrations, and copy it for each test process.

Migrating takes longer than a hundred tests. Handlers of post_migrate (permissions, roles) run again in each copy, so
the template depends only on the migrations and the code that they import.
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
    """Return a hash of these modules, of the project's code that they import, and of the version of Django."""
    content = hashlib.sha256(" ".join([metadata.version("django"), *sorted(migrations)]).encode())
    for path in sorted(_sources(migrations)):
        content.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return content.hexdigest()[:16]


def migration_modules() -> set[str]:
    """Return the names of the migration modules of all apps."""
    return {type(one).__module__ for one in MigrationLoader(None).disk_migrations.values()}


def copy_template(connection: Any, target: Path, *, folder: Path = FOLDER) -> Path:
    """Copy the migrated SQLite template to `target`, creating it first if it is missing; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    template, unfinished = folder / f"{fingerprint(migration_modules())}.sqlite3", folder / "unfinished.sqlite3"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            for stale in folder.glob("*.sqlite3*"):
                stale.unlink()
            migrate(connection, unfinished)
            unfinished.rename(template)
        shutil.copyfile(template, target)
    return template


def template_on_server(connection: Any) -> str:
    """Return the name of the migrated template on the PostgreSQL server, creating it first if it is missing."""
    base = f"template_{connection.settings_dict['NAME']}"
    template, unfinished = f"{base}_{fingerprint(migration_modules())}", f"{base}_unfinished"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [base])  # Held until the connection closes.
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
    """Migrate the database `name`, and disconnect: PostgreSQL copies no database that has connections."""
    original = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, database=connection.alias, run_syncdb=True)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = original


def _sources(modules: Iterable[str]) -> set[Path]:
    """Return the files of these modules and of all that they import, directly or not, within this checkout."""
    found: dict[str, Path] = {}
    to_visit = [*modules]
    while to_visit:
        name = to_visit.pop()
        path = None if name in found else _file(name)
        if path and (name in modules or ROOT in path.parents and not path.is_relative_to(sys.prefix)):
            found[name] = path
            to_visit += _imports(path)
    return {*found.values()}


def _imports(path: Path) -> Iterator[str]:
    """Yield the names that a file imports; those in `from … import …` may be modules or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _file(module: str) -> Path | None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # Its parent is a module, so this is no module but a name in it.
        return None
    return Path(found.origin) if found and found.has_location and found.origin else None
