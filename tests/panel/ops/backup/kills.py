"""Restore a backup again and again, killed at each line of `panel/ops/backup` that a restore reaches.

    python -m tests.panel.ops.backup.kills FOLDER EVERY

Prints how many restores were killed and which database each left: the old one, or the restored one with its stop.
Anything else is an error. `EVERY`: only each so manieth line.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import django

ROOT = str(Path(__file__).resolve().parents[4] / "panel/ops/backup")
# What the old database has and the backup has not.
OLD = "INSERT INTO ops_heartbeat (task, beat_at) VALUES ('old', '2026-01-01 00:00:00')"
STATE = """SELECT (SELECT COUNT(*) FROM ops_heartbeat WHERE task = 'old'),
    (SELECT COUNT(*) FROM orders_sendingstop WHERE reason = 'restored' AND ended_at IS NULL),
    (SELECT COUNT(*) FROM orders_order)"""


def main(folder: Path, every: int) -> None:
    django.setup()
    from django.conf import settings
    from django.db import connection

    from panel.ops.backup.manifest import read_manifest

    orders = read_manifest(folder).database.facts.counts["orders_order"]
    name = Path(connection.settings_dict["NAME"]).name
    prepare, state = _sqlite() if connection.vendor == "sqlite" else _postgresql()
    found: Counter[str] = Counter()
    # Without a kill, to learn how many lines there are. Its last line is always among those that are tried.
    total = int(_killed_at(0, folder, name))
    lines, is_old = [], False
    for at in sorted({*range(every, total, every), total}):
        if not is_old:
            prepare()
        shutil.rmtree(settings.VAR_DIR / "private", ignore_errors=True)
        line = _killed_at(at, folder, name)
        lines.append(line)
        old, stops, count = state()
        receipts = list((settings.VAR_DIR / "private").rglob("*.pdf"))
        is_old = (old, stops, count) == (1, 0, 0)
        if is_old:
            found["old"] += 1
        elif (old, stops, count) == (0, 1, orders) and receipts:
            found["stopped"] += 1
        else:
            print(f"BAD  killed at {line}: old {old}, stops {stops}, orders {count}, receipts {len(receipts)}")
            found["bad"] += 1
    print(json.dumps({**found, "first": lines[0], "last": lines[-1]}))


def _killed_at(number: int, folder: Path, name: str) -> str:
    """Run a restore in a child that is killed when it reaches its `number`-th new line; return that line.

    0: let it end, and return how many lines it reached.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        seen: set[tuple[str, int]] = set()

        def each_line(frame: FrameType, event: str, argument: Any) -> Any:
            place = (frame.f_code.co_filename, frame.f_lineno)
            if event == "line" and place not in seen:
                seen.add(place)
                if len(seen) == number:
                    os.write(write, f"{Path(place[0]).name}:{place[1]}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)
            return each_line

        sys.settrace(lambda frame, event, argument: each_line if frame.f_code.co_filename.startswith(ROOT) else None)
        from django.core.management import call_command

        code = 1
        with suppress(Exception):
            call_command("restore", str(folder), yes_replace=name)
            os.write(write, str(len(seen)).encode())
            code = 0
        os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        line = pipe.read()
    if os.WIFSIGNALED(status) is (number == 0):
        raise SystemExit(f"The restore failed by itself, or was not killed: {status}")
    return line


def _sqlite() -> tuple[Callable[[], None], Callable[[], Any]]:
    from django.conf import settings

    live = Path(settings.DATABASES["default"]["NAME"])
    with closing(sqlite3.connect(live)) as opened:
        opened.execute(OLD)
        opened.commit()
        opened.execute("PRAGMA journal_mode=DELETE")
    old = live.read_bytes()

    def prepare() -> None:
        for path in (live.with_name(f"{live.name}{end}") for end in ("-wal", "-shm", "-journal")):
            path.unlink(missing_ok=True)
        live.write_bytes(old)

    def state() -> Any:
        with closing(sqlite3.connect(live)) as opened:
            assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return opened.execute(STATE).fetchone()

    return prepare, state


def _postgresql() -> tuple[Callable[[], None], Callable[[], Any]]:
    import time

    import psycopg
    from django.conf import settings

    database = settings.DATABASES["default"]
    server = f"host={database['HOST']} port={database['PORT']} user={database['USER']}"
    name, kept = database["NAME"], f"{database['NAME']}_old"
    with psycopg.connect(f"{server} dbname={name}") as opened:
        opened.execute(OLD)

    def run(*statements: str) -> None:
        with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as opened:
            for statement in statements:
                opened.execute(statement)

    def wait_until_alone() -> None:
        # The server notices the death of psql a moment later.
        with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as opened:
            while opened.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", [name]).fetchone():
                time.sleep(0.02)

    run(f'CREATE DATABASE "{kept}" TEMPLATE "{name}"')

    def prepare() -> None:
        wait_until_alone()
        run(f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}" TEMPLATE "{kept}"')

    def state() -> Any:
        wait_until_alone()
        with psycopg.connect(f"{server} dbname={name}") as opened:
            found = opened.execute(STATE).fetchone()
        wait_until_alone()
        return found

    return prepare, state


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
