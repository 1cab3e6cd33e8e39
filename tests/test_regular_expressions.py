"""Regular expressions of the product against hostile input: no text from outside may keep a worker busy."""

from __future__ import annotations

import ast
import importlib
import json
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import QueryDict
from django.test import RequestFactory

from billing.bank.values import MAX_CELL
from billing.intake.calls import MAX_BODY as MAX_INTAKE
from billing.models.bank import MAX_TEXT as MAX_LINE
from catalog.link_kinds import Expected, guess_target
from catalog.prices import csv_format
from catalog.service_types import SPECS, Kind
from catalog.upstream.cleaning import Redactor, clean_text, parse_id, parse_number, parse_slug
from catalog.upstream.client import MAX_SERVICES_BODY
from catalog.upstream.errors import UpstreamError, classify_error
from catalog.upstream.loading import load_with_addition
from catalog.upstream.masking import masked
from catalog.upstream.parsing import names_order, parse_add
from catalog.upstream.word_shapes import MAX_TEXT
from orders.checkout import bulk_columns, bulk_files, bulk_text, links, validation
from orders.web.live_updates import read_shown
from panel.api.errors import ApiError
from panel.api.params import read_ids, read_params, read_whole
from panel.lib import digits, typed_money
from panel.lib.compression import accepts_gzip
from panel.lib.keyset_pagination import _place
from panel.lib.links.keys import link_key
from panel.lib.money import MoneyError, parse_decimal
from panel.logging import hide_secrets
from panel.site.files import MAX_BYTES
from tests.backtracking import Matcher, TooManySteps
from tests.test_architecture import DOMAIN, ROOT, modules

pytestmark = pytest.mark.once  # Reads text only.

RE_FUNCTIONS = {"compile", "match", "fullmatch", "search", "split", "sub", "subn", "findall", "finditer"}
FIELDS_WITH_PATTERN = {"RegexField", "RegexValidator", "re_path"}
# Bytes: Django's DATA_UPLOAD_MAX_MEMORY_SIZE.
MAX_BODY = 2_621_440
# Bytes of a header: the limit of gunicorn.
MAX_HEADER = 8_190
# The steps for a text of eight times the length, as a factor: linear is 8, quadratic is 64.
MAX_GROWTH = 16


# -- the register ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Untrusted:
    """A pattern that reads text from outside, of at most `max_length` characters.

    `attacks` are tried in addition to those that the matcher builds.
    """

    source: str
    max_length: int
    attacks: tuple[tuple[str, str, str], ...] = ()
    # The patterns, if the code builds them from parts.
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trusted:
    """A pattern that reads only text that we write."""

    why: str


REQUEST_KEY = Untrusted("a hidden field of a form", MAX_BODY)
REGISTER: dict[str, Untrusted | Trusted] = {
    "billing/admin/wallets.py: request_key": REQUEST_KEY,
    "billing/forms.py: request_key": REQUEST_KEY,
    "panel/ops/customers/views.py: request_key": REQUEST_KEY,
    "billing/fee_terms.py: _WORDS": Untrusted("a hidden field of a form", MAX_BODY),
    "billing/bank/values.py: _NUMBER": Untrusted("a cell of a bank's file", MAX_CELL),
    "billing/bank/values.py: _PARTS": Untrusted("a cell of a bank's file", MAX_CELL),
    "billing/intake/arrivals.py: _AMOUNT": Untrusted("an amount in a signed call", MAX_INTAKE),
    "billing/intake/arrivals.py: _CURRENCY": Untrusted("a currency in a signed call", MAX_INTAKE),
    "billing/intake/arrivals.py: _ID": Untrusted("an id in a signed call", MAX_INTAKE),
    "billing/intake/arrivals.py: _NUMBER": Untrusted("a number in a signed call", MAX_INTAKE),
    "billing/bonus_terms.py: _WORDS": Untrusted("a hidden field of a form", MAX_BODY),
    "billing/promotions/coupons.py: _CODE": Untrusted("a field of the owner's form", MAX_BODY),
    "billing/references.py: _WORD": Untrusted("a reference in a signed call, or a bank's text", MAX_LINE),
    "panel/lib/read_only.py: \\w+": Trusted("statements, whose values are no part of their text"),
    "panel/lib/signatures.py: _ID": Untrusted("a header", MAX_HEADER),
    "panel/lib/signatures.py: _SECONDS": Untrusted("a header", MAX_HEADER),
    "billing/web/entry_lines.py: _DEPOSIT_KEY": Trusted("keys of ledger entries, written by the panel"),
    "billing/web/views/deposits.py: [0-9]{1,18}": Untrusted("the method in a form", MAX_BODY),
    "catalog/admin/provider_form.py: [A-Za-z0-9_-]+": Untrusted("a name in a form", MAX_BODY),
    "catalog/admin/services/actions.py: services": Untrusted(
        "numbers in a hidden field", MAX_BODY, (("1", ",1", "x"),)
    ),
    "catalog/upstream/masking.py: _ADDRESS": Untrusted("a provider's text", 2_000, (("", "https://", " "),)),
    "catalog/upstream/masking.py: _LONG_NUMBER": Untrusted("a provider's text", 2_000, (("", "1234 ", "x"),)),
    "catalog/upstream/masking.py: _UNPRINTABLE": Untrusted("a provider's text", 2_000),
    "catalog/refill_windows.py: _TOKEN": Untrusted("a provider's name", 500),
    "catalog/upstream/cleaning.py: _UNWANTED": Untrusted("a provider's text", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _LINE_ENDS": Untrusted("a provider's text", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _NUMBER": Untrusted("a provider's number", 40, (("1", " ", "x"), ("", " ", "x"))),
    "catalog/upstream/cleaning.py: _GROUPED": Untrusted("a provider's number", 40, (("1", ",123", "x"),)),
    "catalog/upstream/cleaning.py: _ID": Untrusted("a provider's id", 64),
    "catalog/upstream/cleaning.py: _STRING": Untrusted("a provider's answer", MAX_SERVICES_BODY, (('"', "\\", ""),)),
    "catalog/upstream/cleaning.py: f'[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?:[.,][0-9]*)?'": Untrusted(
        "a provider's number", 40, patterns=(r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]*)?",)
    ),
    "catalog/upstream/cleaning.py: [\\W_]+": Untrusted("a provider's word", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _pattern": Untrusted(
        "a provider's answer", MAX_SERVICES_BODY, patterns=(Redactor("a-/&a")._pattern.pattern,)
    ),
    "catalog/trial/run.py: _WORDS": Untrusted("a provider's error", 500),
    "catalog/trial/run.py: _STATUS_NUMBER": Untrusted("an excerpt of an answer", 2_048),
    "catalog/upstream/dialect.py: _NAME": Untrusted("a name in a form", MAX_BODY),
    "catalog/upstream/dialect.py: _HEADER": Untrusted("a header in a form", MAX_BODY),
    "catalog/upstream/dialect.py: _CODE": Untrusted("a number in a form", MAX_BODY),
    "catalog/upstream/standard_text.py: _NAME": Untrusted(
        "a provider's answer", MAX_SERVICES_BODY, (('"', '\\"', ""), ('"', "\\", ""), ('"a"', " ", "x"))
    ),
    "catalog/upstream/standard_text.py: _TOKEN": Untrusted(
        "a provider's answer", MAX_BODY, (('"', '\\"', ""), ('"', "\\", ""), ('"a"', " ", "x"), ("", "-", ""))
    ),
    "catalog/upstream/loading.py: _AFTER_NOTICES": Untrusted(
        "a provider's answer",
        MAX_SERVICES_BODY,
        (("", "\n{", "x"), ("", ">\t{\n", ""), ("{", "\n", ""), ("", "\n[ ", "")),
    ),
    "catalog/upstream/loading.py: _ADDED": Untrusted("what follows an answer", MAX_SERVICES_BODY, (("<br", " ", "x"),)),
    "catalog/upstream/loading.py: _ADDED_TROUBLE": Untrusted("what follows an answer", MAX_SERVICES_BODY),
    "catalog/upstream/loading.py: _NOTICE": Untrusted(
        "what precedes an answer", MAX_SERVICES_BODY, (("<br />", "\n", "x"), ("Notice:", "a", ""))
    ),
    "catalog/upstream/order_signs.py: _NAME": Untrusted(
        "a provider's answer", MAX_SERVICES_BODY, (("", '"id" ', ""), ('"id"', " ", ""), ("", '"a', ""))
    ),
    "catalog/upstream/order_signs.py: _HTTP_ERROR": Untrusted("a value of a provider's answer", MAX_SERVICES_BODY),
    "catalog/upstream/order_signs.py: _NO_LETTER": Untrusted("a name in a provider's answer", 64),
    "catalog/upstream/order_signs.py: _OTHER_IDS": Untrusted("a name in a provider's answer", 64),
    "catalog/upstream/parsing.py: _THREE_DIGITS": Untrusted(
        "a number or text of a provider's answer", MAX_SERVICES_BODY
    ),
    "catalog/upstream/word_shapes.py: _TAG": Untrusted(
        "a provider's error", 4 * MAX_TEXT, (("", "<a", ""), ("<a", " ", ""), ("", "</", ""))
    ),
    "catalog/upstream/word_shapes.py: _LINK": Untrusted(
        "a provider's error", 4 * MAX_TEXT, (("", "http", ""), ("", "https://", ""), ("", "www.", " "))
    ),
    "catalog/upstream/word_shapes.py: _LEFT_OUT": Untrusted("a provider's error", 4 * MAX_TEXT),
    "orders/requests/queue.py: _REVEALING": Untrusted("a provider's error", 200),
    "orders/admin/bulk_pages.py: orders": Untrusted(
        "numbers in a hidden field", MAX_BODY, (("1:aaaaaaaa", ",1:aaaaaaaa", "x"),)
    ),
    "orders/web/order_form.py: request_key": REQUEST_KEY,
    "orders/web/order_form.py: [0-9]{1,18}": Untrusted("a service in a form", MAX_BODY),
    "orders/web/order_search.py: [,;\\n]": Untrusted("a search", links.MAX_LINK),
    "orders/web/order_search.py: [/@]|\\w\\.\\w": Untrusted("a search", links.MAX_LINK, (("", "a", " "),)),
    "orders/web/order_search.py: \\w": Untrusted("a search", links.MAX_LINK),
    "orders/web/order_search.py: _BEFORE_NUMBER": Untrusted("a search", links.MAX_LINK, (("order", " ", "x"),)),
    "orders/web/order_search.py: _BETWEEN": Untrusted("a search", links.MAX_LINK, (("7", " ", "x"),)),
    "orders/checkout/links.py: _HANDLE": Untrusted("a link", links.MAX_LINK),
    "orders/checkout/links.py: _NAME": Untrusted("a link", links.MAX_LINK),
    "orders/checkout/links.py: _NUMBER": Untrusted("a link", links.MAX_LINK, (("a|", "1", "x"),)),
    "orders/checkout/links.py: _PHONE": Untrusted("a link", links.MAX_LINK, (("+1", " ", "x"),)),
    "orders/checkout/links.py: _APP": Untrusted("a link", links.MAX_LINK, (("a", "a", ""), ("a:", "a", " "))),
    "orders/checkout/links.py: _DOMAIN": Untrusted(
        "the host of a link", links.MAX_LINK, (("a", ".a", "!"), ("a", "-", "."))
    ),
    "orders/checkout/links.py: _UNPRINTABLE": Untrusted("a link", links.MAX_LINK),
    "orders/checkout/links.py: _NOT_IN_WORDS": Untrusted("a link", links.MAX_LINK),
    "orders/checkout/validation.py: _FORBIDDEN": Untrusted("a line of comments", validation.MAX_TEXT),
    "orders/checkout/validation.py: [1-9][0-9]{0,8}": Untrusted("a parameter", validation.MAX_LINE),
    "orders/checkout/validation.py: [A-Za-z]{2}": Untrusted("a parameter", validation.MAX_LINE),
    "orders/checkout/validation.py: \r\n|[\r\n\x85\u2028\u2029]": Untrusted("comments", validation.MAX_TEXT),
    "orders/admin/filters.py: _NUMBER": Untrusted("a parameter of an address", MAX_HEADER),
    "orders/web/live_updates.py: _ROW": Untrusted("a parameter of an address", MAX_HEADER, (("1-a-", "1", "x"),)),
    "orders/web/bulk_form.py: request_key": REQUEST_KEY,
    "orders/web/bulk_form.py: _WAS": Untrusted("the name of a field", MAX_BODY),
    "orders/web/views/bulk_orders.py: _KEY": Untrusted("a parameter of an address", MAX_HEADER),
    "panel/channels/telegram.py: TOKEN": Untrusted("a token in a form of at most 200", 200),
    "panel/checks.py: PREFIX": Trusted("a setting"),
    "panel/checks.py: [A-Z]{3,5}": Trusted("a setting"),
    "panel/site/files.py: _PICTURE_DATA": Untrusted("a picture that is uploaded", MAX_BYTES),
    "panel/site/files.py: _XML_ENCODING": Untrusted(
        "a picture that is uploaded", MAX_BYTES, (("<?xml ", "encoding ", ""), ("<?xml encoding", " ", "x"))
    ),
    "panel/site/files.py: \\A\\s*<\\?xml\\s[^?>]*\\?>": Untrusted("a picture that is uploaded", MAX_BYTES),
    "panel/site/files.py: <!(?!--)(?!\\[CDATA\\[)|<\\?": Untrusted("a picture that is uploaded", MAX_BYTES),
    "panel/site/files.py: _REFERENCE": Untrusted(
        "a picture that is uploaded", MAX_BYTES, (("", "url ", "x"), ("", "url(", ""))
    ),
    "panel/site/files.py: \\s": Untrusted("a picture that is uploaded", MAX_BYTES),
    "panel/site/kinds.py: _DIGEST": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: _NOT_IN_LINKS": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: -?[0-9]{1,15}": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: [0-9]{1,9}(\\.[0-9]{1,6})?": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: #[0-9a-fA-F]{6}": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: [0-9]{1,9}": Untrusted("a setting in a form", MAX_BODY),
    "panel/site/kinds.py: [1-9][0-9]{0,11}/[smhd]": Untrusted("a setting in a form", MAX_BODY),
    "panel/ops/backup/postgresql_tools.py: \\(PostgreSQL\\) (\\d+)": Trusted("what pg_dump says of its version"),
    "panel/settings.py: :\\d+$": Trusted("the panel's address, set by its owner"),
    "panel/site/names.py: [^A-Za-z0-9.-]+": Trusted("the panel's name, set by its owner"),
    "panel/site/names.py: [^A-Z0-9]+": Trusted("the panel's name, set by its owner"),
    "panel/site/views.py: [0-9a-f]{6}": Untrusted("a parameter of an address", MAX_HEADER),
    "panel/urls.py: urlpatterns": Untrusted("an address", MAX_HEADER),
    "orders/checkout/bulk_text.py: _LINE_ENDS": Untrusted("lines of orders", bulk_text.MAX_TEXT),
    "orders/checkout/bulk_text.py: _SERVICE": Untrusted("a line of an order", bulk_text.MAX_TEXT),
    "orders/checkout/bulk_text.py: _BEGIN": Untrusted(
        "a line of an order", bulk_text.MAX_TEXT, (("", " ", "x"), ("1", "\t", "x"), ('"1"', " ", "x"))
    ),
    "panel/site/accent.py: #(?:[0-9a-fA-F]{3}){1,2}": Trusted("a setting"),
    "panel/api/keys/forms.py: request_key": REQUEST_KEY,
    "panel/api/docs/examples.py: _PLAIN": Trusted("numbers of the examples"),
    "panel/api/params.py: _INDEXED": Untrusted("the name of a parameter", MAX_BODY),
    "panel/api/params.py: _DECIMAL": Untrusted("a parameter", MAX_BODY, (("1.", "0", "x"), ("1", "1", "e"))),
    "panel/lib/compression.py: _QUALITY": Untrusted("a header", MAX_HEADER),
    "panel/lib/csv_files.py: _SEPARATOR": Untrusted("a cell of a file", validation.MAX_TEXT),
    "panel/lib/csv_files.py: _NUMBER": Untrusted("a cell of a file", validation.MAX_TEXT, (("1.", "1", "x"),)),
    "panel/lib/date_fields.py: _AS_SENT": Untrusted("a date in an address", MAX_HEADER),
    "panel/lib/keyset_pagination.py: _PLACE": Untrusted("a position in an address", MAX_HEADER),
    "panel/logging.py: SECRET_NAME": Untrusted("a name in an answer or a request", MAX_BODY, (("", "csrf_", "-"),)),
    "panel/logging.py: SECRET_IN_TEXT": Untrusted(
        "a path, a header, an error",
        100_000,
        (("", "csrf_", ""), ("", "csrf-", ""), ("", "csrf_", "-"), ("key", " ", "")),
    ),
    "panel/logging.py: PASSWORD_IN_URL": Untrusted("a path, a header, an error", 100_000, (("", "://a:", ""),)),
    "panel/logging.py: LIVE_LINK": Untrusted("a path, a header, an error", 100_000, (("", "/reset/key/", ""),)),
    "panel/logging.py: KEY_IN_PATH": Untrusted(
        "a path, a header, an error", 100_000, (("", "/a", ""), ("/", "a1", ".x"), ("/", "a", "/"), ("", "/1a", ".x"))
    ),
    "panel/lib/digits.py: _WITH_UNIT": Untrusted("a number in a form", digits._MAX_COUNT_TEXT),
    "panel/lib/digits.py: _POWER": Untrusted("a number in a form", digits._MAX_COUNT_TEXT),
    "panel/lib/digits.py: _EXPONENT": Untrusted("a number in a form", digits._MAX_COUNT_TEXT),
    "panel/lib/digits.py: _DECIMAL": Untrusted("a number in a form", digits._MAX_COUNT_TEXT),
    "panel/lib/digits.py: _THEN_WORDS": Untrusted(
        "a number in a form", digits._MAX_COUNT_TEXT, (("1", " ", "x"), ("1", ".", "!"), ("1k", "a", "1"))
    ),
    "panel/lib/money.py: _TYPED": Untrusted("an amount in a form", 30, (("1", ",111", "x"),)),
    "panel/lib/typed_money.py: _IN_TWO_WAYS": Untrusted("an amount in a form", typed_money.MAX_TEXT),
    "panel/lib/typed_money.py: _DECIMAL_COMMA": Untrusted("an amount in a form", typed_money.MAX_TEXT),
    "panel/lib/typed_money.py: _SPACED": Untrusted("an amount in a form", typed_money.MAX_TEXT, (("1", " 111", "x"),)),
}


@dataclass(frozen=True)
class Found:
    """A regular expression in the code, with all patterns of its key."""

    key: str
    patterns: tuple[str, ...]
    flags: int
    full: bool


def constant(node: ast.expr | None) -> Any:
    """Return the value of a literal, or None."""
    with suppress(ValueError):
        return ast.literal_eval(node)
    return None


def base_name(node: ast.expr) -> str:
    """Return the last name of an expression: "search" of `re.search`, "names" of `names[0]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def found_in(path: Any) -> Iterator[tuple[str, str | None, int, bool]]:
    """Yield the key, pattern, flags and is-full-match of each regular expression in a module.

    The pattern is None if it is no literal.
    """
    name = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text())
    used: dict[str, set[str]] = {}
    targets: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "re", f"{name}: write `import re`, so that this test sees its use"
        if isinstance(node, ast.Attribute) and node.attr in RE_FUNCTIONS:
            used.setdefault(base_name(node.value), set()).add(node.attr)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            target = base_name(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            targets.update({id(inner): target for inner in ast.walk(node.value)})
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = base_name(node.func)
        is_re = isinstance(node.func, ast.Attribute) and base_name(node.func.value) == "re" and called in RE_FUNCTIONS
        if not is_re and called not in FIELDS_WITH_PATTERN:
            continue
        keywords = {word.arg: word.value for word in node.keywords}
        pattern = node.args[0] if node.args else keywords.get("regex", keywords.get("pattern"))
        text = constant(pattern)
        flags = keywords.get("flags") or next((one for one in node.args[1:] if "re." in ast.unparse(one)), None)
        if called in ("compile", *FIELDS_WITH_PATTERN):
            key, full = targets[id(node)], used.get(targets[id(node)], {"search"}) == {"fullmatch"}
        else:
            key, full = text or ast.unparse(pattern), called == "fullmatch"
        yield f"{name}: {key}", text, eval(ast.unparse(flags)) if flags else 0, full


@cache
def inventory() -> dict[str, Found]:
    """Return all regular expressions of the product by key, such as "panel/checks.py: _NAME"."""
    found: dict[str, Found] = {}
    for path in (path for app in (*DOMAIN, "panel") for path in modules(app)):
        for key, pattern, flags, full in found_in(path):
            entry = REGISTER.get(key)
            patterns = (pattern,) if pattern is not None else ()
            if pattern is None and isinstance(entry, Untrusted):
                patterns = entry.patterns
            if not patterns:
                module = importlib.import_module(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
                compiled = getattr(module, key.partition(": ")[2], None)
                if isinstance(compiled, re.Pattern):
                    patterns, flags = (compiled.pattern,), compiled.flags & ~re.UNICODE
            before = found.get(key)
            patterns += before.patterns if before else ()
            found[key] = Found(key, patterns, flags, full and (before is None or before.full))
    return found


def test_register_when_compared_with_the_code_then_complete():
    known, written = set(REGISTER), set(inventory())
    assert not written - known, (
        f"Not in REGISTER: {sorted(written - known)}. Enter where its text comes from and how long that may be, "
        "with the worst input that you can think of; or Trusted(why) if nobody else can write the text."
    )
    assert not known - written, f"In REGISTER but not in the code: {sorted(known - written)}. Remove them."
    unread = [key for key, found in inventory().items() if not found.patterns]
    assert not unread, f"{unread} are built from parts: enter the pattern in `patterns`."


UNTRUSTED = sorted(key for key, entry in REGISTER.items() if isinstance(entry, Untrusted))


# -- steps -------------------------------------------------------------------------------------------


def growth(matcher: Matcher, attack: tuple[str, str, str], size: int) -> tuple[float, int]:
    """Return by which factor the steps grow for a text of eight times the length, and how many these are."""
    prefix, pump, suffix = attack
    repeats = max(1, size // len(pump) // 8)
    try:
        small = matcher.count(prefix + pump * repeats + suffix)
        large = matcher.count(prefix + pump * repeats * 8 + suffix)
    except TooManySteps:
        return float("inf"), 0
    return large / small, large


def worst_attacks(
    matcher: Matcher, known: tuple[tuple[str, str, str], ...], max_length: int
) -> list[tuple[str, str, str]]:
    """Return the attack whose steps grow most, the one that takes most steps, and the `known` ones."""
    found = {attack: growth(matcher, attack, min(max_length, 48)) for attack in (*known, *matcher.attacks())}
    fastest_growing = max(found, key=lambda attack: found[attack][0])
    return list(dict.fromkeys((fastest_growing, max(found, key=lambda attack: found[attack][1]), *known)))


def check_growth(
    matcher: Matcher, known: tuple[tuple[str, str, str], ...] = (), max_length: int = 1_000
) -> list[tuple[str, str, str]]:
    """Check that steps grow linearly under the worst attacks, and return these."""
    attacks = worst_attacks(matcher, known, max_length)
    for attack in attacks:
        size = min(max_length, 600)
        assert growth(matcher, attack, size)[0] <= MAX_GROWTH, f"more than linear for {attack!r} of {size} characters"
    return attacks


def check_memory(engine: re.Pattern[str], text: str, *, full: bool) -> None:
    """Check the memory of a match: the engine stores each repeat of a group that it may undo, in 80 bytes or more."""
    tracemalloc.start()
    try:
        _ = engine.fullmatch(text) if full else sum(1 for _ in engine.finditer(text))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(text) + 20_000, f"{peak} bytes for {text[:20]!r}…"


@pytest.mark.parametrize("key", UNTRUSTED)
def test_pattern_when_text_is_hostile_then_steps_and_memory_linear(key):
    entry, found = REGISTER[key], inventory()[key]
    for pattern in found.patterns:
        matcher = Matcher(pattern, found.flags, full=found.full)
        for prefix, pump, suffix in check_growth(matcher, entry.attacks, entry.max_length):
            text = prefix + pump * (min(entry.max_length, 40_000) // len(pump)) + suffix
            check_memory(re.compile(pattern, found.flags), text, full=found.full)


WORDS = r"(?:api[_-]?key|key|password|passwd|secret|token|authorization|cookie|csrf\w*)"
# An earlier filter of the logs: four requests kept it busy for half a minute.
CUBIC = (
    rf"""(?ix) ((?<![a-z0-9]) (?:\w+[_-])? {WORDS} (?:\[\w*\])? ["']? \s* [=:] \s* ["']?"""
    r"""(?:(?:bearer|basic|token)\s+)?) ([^\s&"',;}\]]+)"""
)


@pytest.mark.parametrize(
    ("pattern", "full"),
    [
        (CUBIC, False),
        (r"(?:^|[_-])csrf\w*$", False),
        (r"(?:a+)+b", False),
        (r"(?:a|a)*b", True),
        (r"a*a*b", True),
        (r"\s*=", False),
        (r"[+-]?\s*(?:[A-Z]{3,4})?\s*[0-9]+", True),
        (r"(?:[0-9]+,?)+", True),
        (r"\w+@\w+\.com", False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_check_when_a_pattern_is_not_linear_then_it_fails(pattern, full):
    with pytest.raises(AssertionError, match="more than linear"):
        check_growth(Matcher(pattern, full=full))


@pytest.mark.parametrize(
    "text", ["key=a", "csrf_x-key: b", "a" * 30, 'api-key"  = c', "{[]}", "x\ny\n", "1,1,1", "<br />"]
)
def test_matcher_when_run_then_it_agrees_with_the_engine_of_re(text):
    for found in inventory().values():
        for pattern in found.patterns:
            matcher = Matcher(pattern, found.flags, full=found.full)
            engine = re.compile(pattern, found.flags)
            for start in range(len(text) + 1):
                match = (engine.fullmatch if found.full else engine.match)(text, start)
                assert matcher._run(matcher._code, text, start) == (match.end() if match else None), pattern


# -- functions that read untrusted text ----------------------------------------------------------------


def thread_seconds(work: Callable[[], Any]) -> float:
    """Return the processor seconds of `work` in this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def check_time(read: Callable[[str], Any], attack: tuple[str, str, str], max_length: int) -> None:
    """Check that a text of eight times the length takes at most 24 times as long; 10 to 12 is usual, 64 is quadratic.

    Short texts come first, so that a reader that is far from linear fails instead of hanging.
    """
    prefix, pump, suffix = attack
    room = min(max_length, MAX_TIMED_LENGTH) - len(prefix + suffix)

    def seconds(size: int) -> float:
        text = prefix + pump * (size // len(pump)) + suffix

        def work() -> None:
            with suppress(*REFUSALS):
                read(text)

        return min(thread_seconds(work) for _ in range(2))

    size = 500
    while size < room // 8:
        assert seconds(size) < 5, f"{attack!r}: more than five seconds for {size} characters"
        size *= 2
    # On a busy machine a measurement may be wrong, but not all five.
    is_linear = any(seconds(room) <= 24 * seconds(room // 8) + 0.01 for _ in range(5))
    assert is_linear, f"{attack!r}: more than linear"


# Characters that suffice to tell linear time from quadratic.
MAX_TIMED_LENGTH = 200_000
REFUSALS = (UpstreamError, validation.OrderRefused, bulk_columns.LinesRefused, csv_format.FileRefused)
REFUSALS += (ApiError, MoneyError, ValidationError, ValueError)
# A list of services may have 64 MB; a test has time for this much.
MAX_TIMED_ANSWER = 1_000_000
LINES = next(param for spec in SPECS.values() for param in spec.params if param.kind is Kind.LINES)
factory = RequestFactory()


def read_body(body: str, kind: str) -> Any:
    """Read the parameters of a request with this body and content type."""
    return read_params(factory.generic("POST", "/api/v2", body.encode(), content_type=kind))


def check_link(text: str) -> Any:
    return validation.check_link(text, expected=Expected())


def read_id_list(text: str) -> Any:
    return read_ids({"orders": text}, one="order", many="orders")


READERS: dict[str, tuple[Callable[[str], Any], int, tuple[tuple[str, str, str], ...]]] = {
    "a logged text": (
        lambda text: hide_secrets(None, "", {"event": text, text: {text: [text]}}),
        MAX_BODY // 8,
        (("", "csrf_", ""), ("", "%63srf_", ""), ("", "csrf_", "-"), ("://", "a", "")),
    ),
    "a logged traceback": (
        lambda text: hide_secrets(None, "", {"exception": text}),
        MAX_BODY,
        (("", "csrf_", ""), ("", "key=\n", ""), ("", "%0A", ""), ("", "://a:", "")),
    ),
    "a provider's answer": (
        load_with_addition,
        MAX_TIMED_ANSWER,
        (
            ("", "<br />", "{}"),
            ("{", "\n", ""),
            ("", "{\n", ""),
            ("{}", " ", "x"),
            ("{}<br", " ", "x"),
            ("{}Notice", "<", "{"),
            ('{"a": "', "\\", '"}'),
            ('{"a": 1', ', "a": 1', "}"),
            ('{"a": 1', ', "a": [1]', "}"),
            ("[", "[", ""),
            ("[", "1e9,", "1]"),
            ("", "> ", ""),
        ),
    ),
    "an answer to add": (parse_add, MAX_TIMED_ANSWER, (('{"error": "', "a_ ", '"}'), ('{"order": "', "1", '"}'))),
    "an answer that may name an order": (
        names_order,
        MAX_TIMED_ANSWER,
        (("", '"id" ', ""), ('"id"', " ", ""), ("", '"', "")),
    ),
    "an error": (
        classify_error,
        MAX_TIMED_ANSWER,
        (("", "_", ""), ("", "error.", ""), ("", "incorrect ", ""), ("", "not ", "")),
    ),
    "the key of an error": (
        masked,
        MAX_TIMED_ANSWER,
        (("", "<a ", ""), ("", "1.", ""), ("", "http://a ", ""), ("", "&", "")),
    ),
    "a redacted answer": (
        Redactor("a-a-aa").before_parsing,
        MAX_TIMED_ANSWER,
        (("", "a-", ""), ('"', "\\", ""), ('"', "a ", "")),
    ),
    "a short key's answer": (
        Redactor("a-a").before_parsing,
        MAX_TIMED_ANSWER,
        (("", "a-", ""), ('"', "a-", ' "'), ("", '"', "")),
    ),
    "a provider's text": (
        lambda text: (
            clean_text(text, limit=MAX_TIMED_ANSWER),
            parse_slug(text, limit=MAX_TIMED_ANSWER),
            parse_id(text),
            parse_number(text),
        ),
        MAX_TIMED_ANSWER,
        (("", " ", "x"), ("", "\r", ""), ("", "_-", "a"), ("", "\u200e", ""), ("1", "0", "")),
    ),
    "a link": (check_link, MAX_BODY, (("", " ", "x"), ("a", ".a", ""), ("http://[", ":", "]"), ("", "\u200f", "x"))),
    "a short link": (
        check_link,
        links.MAX_LINK,
        (("a", ".a", ""), ("", "-", ""), ("http://[", "1:", "]/"), ("a", "a", ":"), ("+", "1 ", "")),
    ),
    "the key of a link": (
        link_key,
        MAX_BODY,
        (
            *(("http://", "/", "a"), ("", "www.", ""), ("", "/", ""), ("", "@", ""), ("x.com/?", "utm_a&", "")),
            *(("youtube.com/?", "a&", ""), ("t.me/", "a/", ""), ("linkedin.com/posts/", "-activity-", "")),
            *(
                ("vk.com/?w=", "%", ""),
                ("spotify:", ":", ""),
                ("open.spotify.com/", "embed/", ""),
                ("tg://resolve?", "&", ""),
            ),
        ),
    ),
    "the names of a service": (
        lambda text: guess_target.__wrapped__(service_type="default", category=text, name=text),
        MAX_TIMED_ANSWER // 20,
        (("", "a ", ""), ("", "-", ""), ("", "\ufdfa", "")),
    ),
    "comments": (
        lambda text: validation.check_param(param=LINES, text=text),
        validation.MAX_TEXT,
        (("", "\r", "a"), ("", " \n", "a"), ("", " ", "\n"), ("", "a\n", "")),
    ),
    "lines of orders": (
        bulk_text.read_lines,
        bulk_text.MAX_TEXT,
        (
            *(("", "|", ""), ("1|a|", "1", ""), ("1|a|", " ", "x"), ("", "\r\n", "1"), ("", "#", ""), ("1", "\t", "")),
            *(("1,", " ,", ""), ('1,"', '""', '"'), ("service|link\n", "1|a\n", ""), ("", "service|link|", "")),
        ),
    ),
    "a file of orders": (
        lambda text: bulk_text.read_lines(bulk_files.lines_of_file(text.encode()).text),
        bulk_text.MAX_TEXT,
        (
            ("", '1,"\n', ""),
            ('1,"', "\n", ""),
            ("", ",", ""),
            ("service,link\n", ",", ""),
            ('"', '""', ""),
            ("service,link\n", "1,a\n", ""),
            ("", ";\n", "a"),
        ),
    ),
    "a file of services": (
        lambda text: csv_format.read_rows(text.encode()),
        MAX_BODY // 4,
        (
            ("", ",", ""),
            ("id,name\n", "1,a\n", ""),
            ("id,name\n1,", '"', ""),
            ('id,name\n1,"', '""', ""),
            ("", "id,", "name"),
        ),
    ),
    "parameters in a form": (
        lambda text: read_body(text, "application/x-www-form-urlencoded"),
        MAX_BODY // 4,
        (("a=", "%", ""),),
    ),
    "parameters in JSON": (
        lambda text: read_body(text, "application/json"),
        MAX_BODY - 1,
        (('{"a": [', "1,", "1]}"), ("", "[", ""), ('{"a": ', "1", "}"), ('{"a": "', "\\", '"}'), ("", " ", "{}")),
    ),
    "ids": (
        read_id_list,
        MAX_BODY,
        (("", ",", ""), ("", "1,", ""), ("", " ", ""), (" ,", ", ", ""), ("[", "'", "]"), ("", "1.0,", "")),
    ),
    "a whole number": (
        lambda text: read_whole({"a": text}, "a"),
        MAX_BODY,
        (("1.", "0", "x"), ("", "1", ""), ("1.", "0", "")),
    ),
    "an amount": (parse_decimal, MAX_BODY, (("", "1", ""), ("1", ",111", "x"), (" ", " ", "1"))),
    "the orders that a page shows": (
        read_shown,
        MAX_HEADER,
        (("1-a-", "1", "x"), ("", "1-a-1-1.", ""), ("1-", "a", "")),
    ),
    "a position in a list": (_place, MAX_HEADER, (("1.", "1", ""), ("", "1", ""), ("", "-", ""))),
    "encodings": (accepts_gzip, MAX_HEADER, (("gzip;q=0.", "0", ""), ("", ",", ""), ("gzip;", " ", "q=1"))),
    "an email address": (
        validate_email,
        320,
        (("a@", "a.", ""), ("", "a.", "@"), ('"', "\\a", '"'), ("a@a", "-", "")),
    ),
    "a query": (QueryDict, MAX_HEADER, (("a=", "%", ""), ("", "a;", ""), ("", "%41", ""))),
}


@pytest.mark.parametrize("name", READERS)
def test_reader_when_text_grows_eightfold_then_time_stays_linear(name):
    read, max_length, attacks = READERS[name]
    for attack in attacks:
        check_time(read, attack, max_length)


def test_json_when_logged_then_depth_and_size_are_bounded():
    wide = json.loads('{"a":' * 900 + "[" + ",".join(["1"] * 100_000) + "]" + "}" * 900)
    assert len(json.dumps(hide_secrets(None, "", {"data": wide, "list": [[wide] * 50] * 50}))) < 10_000
