"""A panel with its own settings and database, web servers under gunicorn, and a worker that runs commands."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.chain.databases import Database, cache_url
from tests.chain.processes import ROOT, CommandProcess, Server, plain_environment
from tests.ports import free_port

# How long an answer of the API may take.
MAX_SECONDS = 120


class Panel:
    """One panel. `cache` is the number of its Redis database, if there is Redis; `settings` are environment variables.

    Its database is a copy of the one of `like`. Without `like` it has to be migrated.
    """

    def __init__(self, name: str, *, folder: Path, cache: int, like: Panel | None = None, **settings: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.database = Database(self.folder, like=like.database if like else None)
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            "ENV_FILE": os.devnull,
            "VAR_DIR": str(self.folder),
            "SECRET_KEY": f"only-for-the-tests-of-{name}-" * 3,
            "FIELD_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
            "UPSTREAM_ALLOW_PRIVATE": "true",
            "EMAIL_URL": "memorymail://",
            "DATABASE_URL": self.database.url,
            "CACHE_URL": cache_url(cache),
            "CELERY_BROKER_URL": "memory://",
            # Panels of other tests are on the same Redis, with the same secrets.
            "PANEL_PREFIX": f"{name}-{uuid4().hex[:12]}",
            # Unlimited: the cache still has the counts of earlier test runs under the same primary keys.
            "API_RATE_PER_KEY": "100000/m",
            "API_RATE_PER_ADDRESS": "100000/m",
            **settings,
        }
        self._sites: list[Server] = []
        self._worker: CommandProcess | None = None

    # -- worker --------------------------------------------------------------------------------------

    def start_worker(self) -> None:
        """Start the worker. The first command waits until it is ready."""
        log = self.folder / "worker.log"
        self._worker = CommandProcess("tests.chain.worker", log=log, environment=self.environment)

    def do(self, name: str, /, **values: Any) -> Any:
        """Run one command of `tests.chain.worker` and return its result."""
        assert self._worker
        return self._worker.do(name, **values)

    def run(self, *rounds: str) -> list[str]:
        """Run management commands, each after ending all waits. Return what they printed."""
        return self.do("run", rounds=list(rounds))

    def order(self, number: int | str) -> dict[str, Any]:
        [found] = self.do("orders", pk=int(number))
        return found

    def money(self, email: str) -> dict[str, Any]:
        return self.do("money", email=email)

    def start_command(self, *command: str) -> subprocess.Popen[str]:
        """Start `manage.py` in its own process, as cron does."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=plain_environment() | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    # -- web servers ---------------------------------------------------------------------------------

    def serve(self, *, sites: int = 1, app: str = "panel.wsgi") -> None:
        """Start `sites` web servers, each on its own port. `wait` waits until they listen."""
        for number in range(sites):
            port = free_port()
            options = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8", "--timeout", "120"]
            options += ["--preload", "--no-control-socket", "--log-level", "warning"]
            name, place = f"site-{number}", {"environment": self.environment, "folder": self.folder}
            self._sites.append(Server(name, "-m", "gunicorn", app, *options, port=port, **place))

    def wait(self) -> None:
        for site in self._sites:
            site.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port()}/api/v2"

    def port(self, site: int = 0) -> int:
        return self._sites[site % len(self._sites)].port

    def api(self, secret: str, action: str, *, site: int = 0, headers: Any = None, **params: Any) -> Any:
        """Return the JSON answer of `POST /api/v2`. Raise OSError or HTTPException if there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(site), timeout=MAX_SECONDS)
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode({"key": secret, "action": action, **params})
            connection.request("POST", "/api/v2", body, {**kind, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        assert response.status == 200, (response.status, text[:500])
        return json.loads(text)

    def close(self) -> None:
        for site in self._sites:
            site.close()
        if self._worker:
            self._worker.close()
        self.database.drop()
