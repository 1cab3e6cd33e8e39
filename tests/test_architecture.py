"""The walls of the project, read from its imports and its files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = ("catalog", "billing", "orders")

# What each domain app may import of the other two.
ALLOWED = {"catalog": set(), "billing": set(), "orders": {"catalog", "billing"}}

# What the domain apps may import of the site around them: pieces that know nothing of the domain, and the
# shared pieces of pages and admin.
SHARED = {
    "panel.money",
    "panel.crypto",
    "panel.hints",
    "panel.tables",
    "panel.bulk",
    "panel.csv_files",
    "panel.day_fields",
    "panel.keyset",
    "panel.own_account",
    "panel.mail_queue",
    "panel.admin_actions",
    "panel.admin_base",
    "panel.admin_fields",
    "panel.ops.alerts",
}


def modules(app: str) -> list[Path]:
    return [path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("app", DOMAIN)
def test_imports_of_a_domain_app_point_one_way(app):
    for path in modules(app):
        for name in imports(path):
            top = name.split(".")[0]
            if top in DOMAIN and top != app:
                assert top in ALLOWED[app], f"{path}: {name}"
            if top == "panel":
                assert any(name == shared or name.startswith(f"{shared}.") for shared in SHARED), f"{path}: {name}"


@pytest.mark.parametrize(
    "name", ["money", "crypto", "hints", "bulk", "own_account", "mail_queue", "ops/alerts", "ops/models"]
)
def test_what_the_domain_imports_knows_nothing_of_the_domain(name):
    for imported in imports(ROOT / "panel" / f"{name}.py"):
        assert imported.split(".")[0] not in DOMAIN, imported


def test_only_the_ledger_writes_wallets_and_entries():
    writes = re.compile(
        r"(?:Wallet|Entry)\.objects(?:\.\w+\([^)]*\))*\.(?:create|update|bulk_create|bulk_update|delete)\("
        r"|wallets?\.update\(|entries\.(?:create|update|delete)\("
    )
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            if path != ROOT / "billing" / "ledger.py":
                assert not writes.search(path.read_text()), path


def test_http_to_providers_is_spoken_in_one_place():
    clients = {"requests", "urllib3", "httpx", "http.client", "urllib.request"}
    for app in (*DOMAIN, "panel"):
        for path in modules(app):
            inside = "upstream" in path.parts or "sandbox" in path.parts or path.name == "demo.py"
            used = {name for name in imports(path) if name in clients or name.split(".")[0] in clients}
            assert inside or not used, f"{path}: {used}"


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
