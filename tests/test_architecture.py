"""The rules of the project that its files show. Which way imports point is held by the contracts in pyproject.toml."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = ("catalog", "billing", "orders")
READS_ADDRESSES = {"urllib3.util.Url", "urllib3.util.parse_url", "urllib3.exceptions.LocationParseError"}


def modules(app: str) -> list[Path]:
    return [path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_http_to_the_outside_is_spoken_in_one_place():
    clients = {"requests", "urllib3", "httpx", "http.client", "urllib.request"}
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            inside = path.parent == ROOT / "panel/lib/http" or "sandbox" in path.parts or path.name == "demo.py"
            used = {name for name in imports(path) if name in clients or name.split(".")[0] in clients}
            assert inside or used <= READS_ADDRESSES, f"{path}: {used}"


def test_no_float_or_decimal_column_holds_money():
    for app in (*DOMAIN, "panel"):
        for path in (ROOT / app).rglob("*.py"):
            assert not re.search(r"\b(?:FloatField|DecimalField)\(", path.read_text()), path


def test_modules_have_one_subject_and_a_bounded_length():
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            assert len(path.read_text().splitlines()) <= 420, path
            assert path.name not in ("utils.py", "helpers.py", "signals.py"), path


def test_customer_templates_hold_no_inline_script_or_style():
    for path in (ROOT / "templates").rglob("*.html"):
        relative = path.relative_to(ROOT / "templates")
        if relative.parts[0] in ("admin", "unfold"):
            continue
        text = path.read_text()
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|hx-on|<style|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"(?:src|href)=[\"']https?://", text), path
