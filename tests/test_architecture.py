"""Rules of the project that can be checked in its files. Import contracts in pyproject.toml check dependencies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = ("catalog", "billing", "orders")
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


def test_http_clients_when_imported_then_only_in_the_http_package():
    clients = {"requests", "urllib3", "httpx", "http.client", "urllib.request"}
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            is_allowed = path.parent == ROOT / "panel/lib/http" or "sandbox" in path.parts or path.name == "demo.py"
            used = {name for name in imports(path) if name in clients or name.split(".")[0] in clients}
            assert is_allowed or used <= URL_PARSERS, f"{path}: {used}"


def test_columns_when_declared_then_none_is_float_or_decimal():
    for app in (*DOMAIN, "panel"):
        for path in (ROOT / app).rglob("*.py"):
            assert not re.search(r"\b(?:FloatField|DecimalField)\(", path.read_text()), path


def test_modules_when_written_then_short_and_named_by_subject():
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            assert len(path.read_text().splitlines()) <= 420, path
            assert path.name not in ("utils.py", "helpers.py", "signals.py"), path


def test_templates_when_for_customers_then_no_inline_script_or_style():
    for path in (ROOT / "templates").rglob("*.html"):
        relative = path.relative_to(ROOT / "templates")
        if relative.parts[0] in ("admin", "unfold"):
            continue
        text = path.read_text()
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|hx-on|<style|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"(?:src|href)=[\"']https?://", text), path
