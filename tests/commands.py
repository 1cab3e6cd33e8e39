"""Run Python and commands of the project in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
SECRETS = {"SECRET_KEY": "x" * 60, "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode()}


def database_url() -> str:
    """Return the address of the test database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"


def run_python(*arguments: str, **environment: str) -> Any:
    """Run Python in the project's root without this process's environment; return the completed process.

    Stop it after 180 seconds. A nonzero exit code is not raised: callers check it.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ.get("PATH", ""),
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
