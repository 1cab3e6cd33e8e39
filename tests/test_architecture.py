"""Rules of the project that can be checked in its files. Import contracts in pyproject.toml check dependencies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = ("catalog", "billing", "orders")
# Beside pages, what shows and reads days and moments of the reader's own zone; all else asks `panel.lib.panel_days`.
READERS = {
    "panel/account_home/views.py",
    "panel/account_home/my_data.py",
    "panel/accounts/time_zones.py",
    "panel/lib/csv_files.py",
    "panel/lib/date_fields.py",
    "panel/lib/formats.py",
    "panel/lib/panel_days.py",
    "panel/lib/templatetags/display.py",
}
# What opens connections, here and in the libraries that are installed; a name covers what is below it.
CLIENTS = (
    *("requests", "urllib3", "httpx", "aiohttp", "pycurl", "websockets", "dns", "certifi"),
    *("socket", "ssl", "asyncio", "subprocess", "ftplib", "imaplib", "nntplib", "poplib", "smtplib", "telnetlib"),
    *("http.client", "urllib.request", "urllib.robotparser", "xmlrpc", "multiprocessing", "ctypes"),
    *("importlib.import_module", "django.utils.module_loading"),
)
# Files that connect to this machine, to the database by its own tools, or not at all, and what they import for it.
OWN_CONNECTIONS = {
    "billing/intake/gateways.py": {"importlib.import_module"},  # The modules of its doors.
    "billing/methods/__init__.py": {"importlib.import_module"},  # The modules beside it.
    "panel/alerts/clocks.py": {"socket"},  # This machine's name.
    "panel/channels/mail.py": {"smtplib"},  # Its exceptions: Django connects.
    "panel/staff/acts.py": {"importlib.import_module"},  # Modules of the apps above it.
    "panel/demo/setup.py": {"socket"},
    "panel/management/commands/demo.py": {"urllib.request"},
    "panel/ops/backup/manifest.py": {"subprocess"},
    "panel/ops/backup/postgresql.py": {"subprocess"},
    "panel/ops/backup/postgresql_tools.py": {"subprocess"},
}
# These parse addresses and send nothing.
URL_PARSERS = {"urllib3.util.Url", "urllib3.util.parse_url", "urllib3.exceptions.LocationParseError"}


def modules(app: str) -> list[Path]:
    """Return the Python files of an app, without its migrations."""
    return [path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def clients_of(path: Path) -> set[str]:
    """Return what a file imports that opens connections, or imports what is named while the program runs."""
    found = {name for name in imports(path) if any(f"{name}.".startswith(f"{client}.") for client in CLIENTS)}
    found |= {name for name in imports(path) if name in ("http", "urllib")}  # All of the package, by its attributes.
    return found - URL_PARSERS


def test_clients_when_imported_then_only_in_the_http_package():
    """All that leaves for an address somebody typed goes through the guarded transport. Mail goes through Django."""
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            place = path.relative_to(ROOT).as_posix()
            if not place.startswith(("panel/lib/http/", "panel/sandbox/")):
                assert clients_of(path) == OWN_CONNECTIONS.get(place, set()), place


def test_client_when_imported_in_any_way_then_found(tmp_path):
    lines = [
        *("import requests", "from requests.adapters import HTTPAdapter", "import urllib3.util", "import httpx as h"),
        *("import http.client", "from http import client", "from http.client import HTTPConnection", "import urllib"),
        *("from urllib import request", "from urllib.request import urlopen", "import socket", "from socket import *"),
        *("def f():\n    import smtplib", "from importlib import import_module", "import subprocess"),
    ]
    for line in lines:
        (tmp_path / "one.py").write_text(line)
        assert clients_of(tmp_path / "one.py"), line
    for line in ("from urllib.parse import urlsplit", "from http import HTTPStatus", "from urllib3.util import Url"):
        (tmp_path / "one.py").write_text(line)
        assert not clients_of(tmp_path / "one.py"), line


def test_columns_when_declared_then_none_is_float_or_decimal():
    for app in (*DOMAIN, "panel"):
        for path in (ROOT / app).rglob("*.py"):
            assert not re.search(r"\b(?:FloatField|DecimalField)\(", path.read_text()), path


def test_days_when_not_of_a_page_then_they_are_the_panels():
    """In a customer's request `timezone.localdate` is the day at the customer's: a limit would end at two midnights."""
    readers = re.compile(r"\b(?:localdate|localtime|make_aware|get_current_timezone|activate)\(")
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            place = path.relative_to(ROOT)
            if not {"web", "admin", "views"} & set(place.with_suffix("").parts) and place.as_posix() not in READERS:
                assert not readers.search(path.read_text()), place


def test_modules_when_written_then_short_and_named_by_subject():
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            assert len(path.read_text().splitlines()) <= 420, path
            assert path.name not in ("utils.py", "helpers.py", "signals.py"), path


def test_stylesheets_when_written_then_every_brace_is_closed():
    """A rule that is not closed takes all that follows into its media query, and browsers say nothing."""
    sheets = list((ROOT / "panel/static/css").glob("*.css"))
    assert sheets
    for path in sheets:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        assert text.count("{") == text.count("}"), path


def test_templates_when_for_customers_then_no_inline_script_or_style():
    for path in (ROOT / "templates").rglob("*.html"):
        relative = path.relative_to(ROOT / "templates")
        # Programs that show mails read no stylesheet.
        if relative.parts[0] in ("admin", "unfold", "mail"):
            continue
        text = path.read_text()
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|hx-on|<style|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"(?:src|href)=[\"']https?://", text), path
