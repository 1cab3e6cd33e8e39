"""Writes `.env` with fresh secrets: `python -m panel.env_file`. Never touches one that is there."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet

CONTENT = """\
# Written by `python -m panel.env_file`. Keep it out of version control; .env.example explains each line.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={encryption_key}
{extra}"""

DEMO = """\
# The sandbox provider listens on this machine. Take this line out before real providers are added.
UPSTREAM_ALLOW_PRIVATE=true
DEMO_PASSWORD={password}
# Looks at open orders every few seconds, as quickly as the sandbox delivers. Real orders take hours.
POLL_INTERVALS=3,10,30,60
PAYMENT_INSTRUCTIONS="Send a bank transfer with your e-mail address as its reference. We credit it the same day."
"""


def write_env(path: Path, *, demo: bool = False) -> bool:
    """Creates `path`, readable by its owner alone. False when it exists already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(
            CONTENT.format(
                secret_key=secrets.token_urlsafe(50),
                encryption_key=Fernet.generate_key().decode(),
                extra=DEMO.format(password=secrets.token_urlsafe(9)) if demo else "",
            )
        )
    return True


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / ".env"
    created = write_env(target, demo="--demo" in sys.argv)
    print(f"{target.name}: {'written' if created else 'exists, left as it is'}")
