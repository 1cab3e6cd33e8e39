"""Copy and replace a PostgreSQL database by pg_dump, pg_restore and psql.

The script of pg_restore runs within a transaction that also empties the schema, compares the figures of the manifest
and stops the sending. Until psql gets its COMMIT, the database is the old one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.postgresql.client import DatabaseClient
from psycopg import sql

from orders.states import RESTORE_STOPS, StopReason
from panel.alerts.causes import Cause
from panel.ops.backup.copies import DatabaseCopy, RestoreStop
from panel.ops.backup.facts import Facts, figures, read_facts
from panel.ops.backup.files import BackupError, sync_file
from panel.ops.backup.postgresql_tools import Tools, find_tools, run_tool

FILE = "database.dump"
_CHECKED = "checked"


def database_name() -> str:
    """Return what a person must type to have this database replaced."""
    return str(connection.settings_dict["NAME"])


def dump(folder: Path) -> DatabaseCopy:
    """Dump the database into the folder. The facts are of the very snapshot that is dumped."""
    tools = find_tools(at_least=_server_version())
    copy = folder / FILE
    arguments, environment = _login()
    with _snapshot() as snapshot:
        schema, facts = _current_schema(), read_facts(tables=_tables(), query=_query)
        run_tool(
            [tools.pg_dump, "--format=custom", f"--snapshot={snapshot}", f"--file={copy}", "--no-password", *arguments],
            environment=environment,
        )
    sync_file(copy)
    return DatabaseCopy(file=FILE, facts=facts, schema=schema, tool=tools.version)


def check(copy: Path) -> None:
    """Raise BackupError unless the dump can be read to its end."""
    run_tool([find_tools(at_least=_server_version()).pg_restore, f"--file={os.devnull}", str(copy)], environment={})


def is_empty() -> bool:
    """Return True if the database that is to be replaced has no tables."""
    return not _tables()


def refuse_in_use() -> None:
    """Raise BackupError while another process is connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT COALESCE(NULLIF(application_name, ''), 'unnamed'), COUNT(*) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()
                 AND COALESCE(backend_type, 'client backend') = 'client backend'
               GROUP BY 1 ORDER BY 1"""
        )
        others = cursor.fetchall()
    connection.close()
    if others:
        shown = ", ".join(f"{count} by {name}" for name, count in others)
        raise BackupError(
            f"The database {database_name()} has other connections ({shown}). Stop the web server and the workers "
            "first; see docs/restore.md."
        )


def load(path: Path, copy: DatabaseCopy, *, stop: RestoreStop, before_commit: Callable[[], None]) -> None:
    """Replace the database by the dump, with the stop in it, in one transaction."""
    tools = find_tools(at_least=max(_server_version(), copy.tool))
    connection.close()
    with _psql(tools) as psql:
        psql.send(f"BEGIN;\n{_emptying(copy.schema)}")
        psql.send_script(tools, path)
        psql.send(f"SET search_path TO {sql.Identifier(copy.schema).as_string()};\n")
        psql.send(_comparing(copy.facts) + _stopping(stop))
        psql.wait_until_checked()
        before_commit()
        psql.send("COMMIT;\n")


def migrate() -> None:
    """Bring a dump of an earlier version to the tables of this one."""
    call_command("migrate", interactive=False, verbosity=0)
    # A dump has no statistics, without which queries are slow.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


class _Psql:
    """A psql that runs what it is sent. Whatever ends it before COMMIT, the server rolls back."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    def send(self, statements: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(statements.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self.failure() from None

    def send_script(self, tools: Tools, copy: Path) -> None:
        """Send what pg_restore makes of the dump. Raise BackupError if it stops before its end."""
        command = [
            tools.pg_restore,
            "--file=-",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--no-tablespaces",
            "--no-publications",
            "--no-subscriptions",
            str(copy),
        ]
        assert self._process.stdin
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as restore,  # noqa: S603
        ):
            assert restore.stdout
            try:
                shutil.copyfileobj(restore.stdout, self._process.stdin, 1 << 20)
            except BrokenPipeError:
                raise self.failure() from None
            finally:
                restore.stdout.close()
            if restore.wait():
                raise BackupError(f"pg_restore could not read the dump: {_last_lines(errors)}")

    def wait_until_checked(self) -> None:
        """Wait until everything sent was done. Raise BackupError if a statement failed."""
        assert self._process.stdout
        self.send(f"\\echo {_CHECKED}\n")
        if self._process.stdout.readline().strip() != _CHECKED.encode():
            raise self.failure()

    def failure(self) -> BackupError:
        """Return what psql complained of."""
        self._process.kill()
        self._process.wait()
        return BackupError(f"The backup could not be loaded, and nothing was changed: {_last_lines(self._errors)}")


@contextmanager
def _psql(tools: Tools) -> Iterator[_Psql]:
    arguments, environment = _login()
    # What statements return goes to no file; only \echo writes to the pipe.
    command = [tools.psql, "--no-psqlrc", "--quiet", "--no-password", f"--output={os.devnull}"]
    command += ["--set=ON_ERROR_STOP=1", *arguments]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment, "PGCLIENTENCODING": "UTF8"},
        )
        psql = _Psql(process, errors)
        assert process.stdin and process.stdout
        try:
            yield psql
            process.stdin.close()
            if process.wait():
                raise BackupError(
                    f"The server did not confirm the restore: {_last_lines(errors)} The database is the old one, or "
                    "the restored one with sending stopped. Restore again."
                )
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()


def _emptying(schema: str) -> str:
    """Return statements that drop what the schema holds, but for what belongs to an extension.

    The schema itself stays: before PostgreSQL 15 it does not belong to the owner of the database.
    """
    name = sql.Literal(schema).as_string()
    return f"""SET statement_timeout = 0; SET lock_timeout = '30s'; SET client_min_messages = warning;
DO $$
DECLARE statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY(
        SELECT format('DROP %s IF EXISTS %I.%I CASCADE',
            CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                         WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, nspname, relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = {name} AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
        -- The sequence of a column goes with its table, and cannot go before.
        ORDER BY relkind = 'S'
    ) || ARRAY(
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
        WHERE nspname = {name} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    )
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
"""  # noqa: S608  (quoted)


def _comparing(facts: Facts) -> str:
    """Return statements that fail for the first figure that was not repeated."""
    return "".join(
        f"""DO $$ BEGIN IF ({statement}) <> {value} THEN
RAISE EXCEPTION 'the backup does not hold what its manifest says: %', {sql.Literal(name).as_string()};
END IF; END $$;
"""
        for name, statement, value in figures(facts)
    )


def _stopping(stop: RestoreStop) -> str:
    """Return the statements of `stop_sending`: no process can connect between the load and the stop.

    Stops that the backup had are about an earlier restore: what follows is decided by the time of this one.
    """
    values = {
        "at": sql.Literal(stop.at.isoformat()),
        "text": sql.Literal(stop.text),
        "reason": sql.Literal(StopReason.RESTORED.value),
        "ended": sql.SQL(", ").join(map(sql.Literal, map(str, RESTORE_STOPS))),
        "cause": sql.Literal(Cause.SENDING.of(None)),
    }
    return (
        sql.SQL(
            """UPDATE orders_sendingstop SET ended_at = {at}
    WHERE provider_id IS NULL AND reason IN ({ended}) AND ended_at IS NULL;
INSERT INTO orders_sendingstop (reason, text, created_at) VALUES ({reason}, {text}, {at});
UPDATE ops_alert SET text = {text}, level = 'danger', count = count + 1, last_seen_at = {at}
    WHERE cause = {cause} AND resolved_at IS NULL;
INSERT INTO ops_alert (cause, level, text, count, created_at, last_seen_at)
    VALUES ({cause}, 'danger', {text}, 1, {at}, {at}) ON CONFLICT DO NOTHING;
"""
        )
        .format(**values)
        .as_string()
    )


@contextmanager
def _snapshot() -> Iterator[str]:
    """Hold a snapshot of one moment in this connection; yield the name by which pg_dump reads the same."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # The transaction waits for pg_dump, which may take long.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if _server_version() >= 17:
            cursor.execute("SET LOCAL transaction_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        [name] = cursor.fetchone()
        yield name


def _login() -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment by which the tools connect. The password is in the environment."""
    command, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    return command[1:], environment or {}


def _server_version() -> int:
    connection.ensure_connection()
    return connection.pg_version // 10_000  # type: ignore[attr-defined]


def _current_schema() -> str:
    [[name]] = _query("SELECT current_schema()")
    return str(name)


def _tables() -> list[str]:
    return [name for [name] in _query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")]


def _query(statement: str) -> Sequence[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def _last_lines(errors: IO[bytes]) -> str:
    errors.seek(0)
    return " ".join(errors.read().decode(errors="replace").split("\n")[-6:]).strip()
