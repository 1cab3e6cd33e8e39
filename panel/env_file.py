"""Write `.env` with fresh secrets: `python -m panel.env_file`. Never changes an existing file."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet

CONTENT = """\
# Written by `python -m panel.env_file`. Keep it out of version control; .env.example explains each line.
# A server needs more: `manage.py check --deploy` names what is missing.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={encryption_key}
"""

DEMO = {
    # The sandbox provider listens on this machine. Remove this before adding real providers.
    "UPSTREAM_ALLOW_PRIVATE": "true",
    # Poll open orders every few seconds, as quickly as the sandbox delivers. Real orders take hours.
    "POLL_INTERVALS": "3,10,30,60",
    # Visitors see the services on the start page.
    "PUBLIC_SHOP": "true",
}


def write_env(path: Path) -> bool:
    """Create `path`, readable by its owner only. Return False if it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(
            CONTENT.format(
                secret_key=secrets.token_urlsafe(50),
                encryption_key=Fernet.generate_key().decode(),
            )
        )
    return True


def add_demo_settings(path: Path) -> list[str]:
    """Append what the demo needs and `path` does not set yet. Return the names that were added."""
    present = {line.partition("=")[0].strip() for line in path.read_text().splitlines()}
    wanted = {**DEMO, "DEMO_PASSWORD": secrets.token_urlsafe(9)}
    missing = {name: value for name, value in wanted.items() if name not in present}
    if missing:
        with path.open("a") as file:
            file.write("\n# For `make demo` and its sandbox on this machine; take these out before going live.\n")
            file.writelines(f"{name}={value}\n" for name, value in missing.items())
    return list(missing)


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / ".env"
    created = write_env(target)
    print(f"{target.name}: {'written' if created else 'exists, left as it is'}")
    if "--demo" in sys.argv:
        for added in add_demo_settings(target):
            print(f"{target.name}: {added} added for the demo")
