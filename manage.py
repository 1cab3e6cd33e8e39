#!/usr/bin/env python
"""Django's command-line door."""

import logging
import os
import sys


def main() -> None:
    """Run the command. What nobody expected is logged, and so told to the owner: cron discards what it prints."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except Exception:
        logging.getLogger("panel.command").exception("command failed", extra={"command": " ".join(sys.argv[1:2])})
        raise


if __name__ == "__main__":
    main()
