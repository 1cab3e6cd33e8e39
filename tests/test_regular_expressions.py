"""No text from outside may keep a worker busy: every regular expression of the product against its worst input."""

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

from catalog.prices import csv_format
from catalog.service_types import SPECS, Kind
from catalog.upstream.cleaning import Redactor, clean_text, parse_id, parse_number, parse_slug
from catalog.upstream.client import MAX_SERVICES_BODY
from catalog.upstream.errors import UpstreamError, classify_error
from catalog.upstream.loading import load_with_addition
from catalog.upstream.parsing import names_order, parse_add
from orders.checkout import bulk_text, validation
from orders.web.live_updates import read_shown
from panel.api.errors import ApiError
from panel.api.params import read_ids, read_params, read_whole
from panel.api.services import accepts_gzip
from panel.lib.keyset_pagination import _place
from panel.lib.money import MoneyError, parse_decimal
from panel.logging import hide_secrets
from tests.backtracking import Matcher, TooManySteps
from tests.test_architecture import DOMAIN, ROOT, modules

pytestmark = pytest.mark.once  # Of texts alone.

CALLS = {"compile", "match", "fullmatch", "search", "split", "sub", "subn", "findall", "finditer"}
FIELDS = {"RegexField", "RegexValidator", "re_path"}
# Bytes of a request: Django's DATA_UPLOAD_MAX_MEMORY_SIZE.
BODY = 2_621_440
HEADER = 8_190
# What eight times the text may cost at most: twice as much as what is linear, a quarter of what is quadratic.
LIMIT = 16


# -- the register ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreign:
    """Meets the text `of` somebody else, of at most so many characters; `attacks` beside those worked out."""

    of: str
    most: int
    attacks: tuple[tuple[str, str, str], ...] = ()
    # The pattern, where the source makes it from parts.
    built: tuple[str, ...] = ()


@dataclass(frozen=True)
class Own:
    """Meets text of ours only."""

    why: str


ONCE = Foreign("a hidden field of a form", BODY)
REGISTER: dict[str, Foreign | Own] = {
    "billing/admin/wallets.py: request_key": ONCE,
    "billing/forms.py: request_key": ONCE,
    "billing/web/tables.py: _OF_A_DEPOSIT": Own("keys of ledger entries, written by the panel"),
    "billing/web/views/deposits.py: [0-9]{1,18}": Foreign("the method in a form", BODY),
    "catalog/admin/provider_form.py: [A-Za-z0-9_-]+": Foreign("a name in a form", BODY),
    "catalog/admin/services/actions.py: services": Foreign("numbers in a hidden field", BODY, (("1", ",1", "x"),)),
    "catalog/upstream/cleaning.py: _UNWANTED": Foreign("a provider's text", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _LINE_ENDS": Foreign("a provider's text", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _NUMBER": Foreign("a provider's number", 40, (("1", " ", "x"), ("", " ", "x"))),
    "catalog/upstream/cleaning.py: _GROUPED": Foreign("a provider's number", 40, (("1", ",123", "x"),)),
    "catalog/upstream/cleaning.py: _ID": Foreign("a provider's id", 64),
    "catalog/upstream/cleaning.py: _STRING": Foreign("a provider's answer", MAX_SERVICES_BODY, (('"', "\\", ""),)),
    "catalog/upstream/cleaning.py: f'[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?:[.,][0-9]*)?'": Foreign(
        "a provider's number", 40, built=(r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]*)?",)
    ),
    "catalog/upstream/cleaning.py: [\\W_]+": Foreign("a provider's word", MAX_SERVICES_BODY),
    "catalog/upstream/cleaning.py: _pattern": Foreign(
        "a provider's answer", MAX_SERVICES_BODY, built=(Redactor("a-/&a")._pattern.pattern,)
    ),
    "catalog/upstream/loading.py: _AFTER_NOTICES": Foreign(
        "a provider's answer",
        MAX_SERVICES_BODY,
        (("", "\n{", "x"), ("", ">\t{\n", ""), ("{", "\n", ""), ("", "\n[ ", "")),
    ),
    "catalog/upstream/loading.py: _ADDED": Foreign("what follows an answer", MAX_SERVICES_BODY, (("<br", " ", "x"),)),
    "catalog/upstream/loading.py: _ADDED_TROUBLE": Foreign("what follows an answer", MAX_SERVICES_BODY),
    "catalog/upstream/parsing.py: _ORDER_NAMED": Foreign(
        "a provider's answer", MAX_SERVICES_BODY, (("", '"id" ', ""),)
    ),
    "orders/requests/queue.py: _TELLS_TOO_MUCH": Foreign("a provider's error", 200),
    "orders/admin/cancel.py: orders": Foreign("numbers in a hidden field", BODY, (("1", ",1", "x"),)),
    "orders/web/order_form.py: [\\s,\\u00a0\\u202f]": Foreign("a quantity in a form", BODY),
    "orders/web/order_form.py: -?[0-9]{1,15}": Foreign("a quantity in a form", BODY),
    "orders/web/order_form.py: request_key": ONCE,
    "orders/web/order_form.py: [0-9]{1,18}": Foreign("a service in a form", BODY),
    "orders/checkout/validation.py: _HANDLE": Foreign("a link", validation.MAX_LINK),
    "orders/checkout/validation.py: _DOMAIN": Foreign(
        "the host of a link", validation.MAX_LINK, (("a", ".a", "!"), ("a", "-", "."))
    ),
    "orders/checkout/validation.py: _UNPRINTABLE": Foreign("a link", validation.MAX_LINK),
    "orders/checkout/validation.py: _IN_NO_LINE": Foreign("a line of comments", validation.MAX_TEXT),
    "orders/checkout/validation.py: [1-9][0-9]{0,8}": Foreign("a parameter", validation.MAX_LINE),
    "orders/checkout/validation.py: [A-Za-z]{2}": Foreign("a parameter", validation.MAX_LINE),
    "orders/checkout/validation.py: \\Ahttps?://": Foreign("a link", validation.MAX_LINK),
    "orders/checkout/validation.py: \r\n|[\r\n\x85\u2028\u2029]": Foreign("comments", validation.MAX_TEXT),
    "orders/admin/filters.py: _NUMBER": Foreign("a parameter of an address", HEADER),
    "orders/web/live_updates.py: _ROW": Foreign("a parameter of an address", HEADER, (("1-a-", "1", "x"),)),
    "orders/web/bulk_form.py: request_key": ONCE,
    "orders/checkout/bulk_text.py: _LINE_ENDS": Foreign("lines of orders", bulk_text.MAX_TEXT),
    "orders/checkout/bulk_text.py: _SERVICE": Foreign("a line of an order", bulk_text.MAX_TEXT),
    "orders/checkout/bulk_text.py: _QUANTITY": Foreign("a line of an order", bulk_text.MAX_TEXT),
    "orders/checkout/bulk_text.py: _GROUPS": Foreign("a line of an order", bulk_text.MAX_TEXT),
    "panel/site/accent.py: #(?:[0-9a-fA-F]{3}){1,2}": Own("a setting"),
    "panel/api/keys/forms.py: request_key": ONCE,
    "panel/api/docs/examples.py: _PLAIN": Own("numbers of the examples"),
    "panel/api/services.py: _QUALITY": Foreign("a header", HEADER),
    "panel/api/params.py: _INDEXED": Foreign("the name of a parameter", BODY),
    "panel/api/params.py: _WHOLE": Foreign("a parameter", BODY, (("1.", "0", "x"),)),
    "panel/api/params.py: -?[0-9]{1,15}": Foreign("a parameter", BODY),
    "panel/checks.py: #[0-9a-fA-F]{6}": Own("a setting"),
    "panel/checks.py: [A-Z]{3,5}": Own("a setting"),
    "panel/checks.py: [1-9][0-9]*/[smhd]": Own("a setting"),
    "panel/lib/csv_files.py: _NUMBER": Foreign("a cell of a file", validation.MAX_TEXT, (("1.", "1", "x"),)),
    "panel/lib/date_fields.py: _AS_SENT": Foreign("a day in an address", HEADER),
    "panel/lib/keyset_pagination.py: _PLACE": Foreign("a place in an address", HEADER),
    "panel/logging.py: SECRET_NAME": Foreign("a name in an answer or a request", BODY, (("", "csrf_", "-"),)),
    "panel/logging.py: SECRET_IN_TEXT": Foreign(
        "a path, a header, an error",
        100_000,
        (("", "csrf_", ""), ("", "csrf-", ""), ("", "csrf_", "-"), ("key", " ", "")),
    ),
    "panel/logging.py: PASSWORD_IN_URL": Foreign("a path, a header, an error", 100_000, (("", "://a:", ""),)),
    "panel/logging.py: LIVE_LINK": Foreign("a path, a header, an error", 100_000, (("", "/reset/key/", ""),)),
    "panel/lib/money.py: _TYPED": Foreign("an amount in a form", 30, (("1", ",111", "x"),)),
}


@dataclass(frozen=True)
class Found:
    key: str
    patterns: tuple[str, ...]
    flags: int
    full: bool


def constant(node: ast.expr | None) -> Any:
    with suppress(ValueError):
        return ast.literal_eval(node)
    return None


def base_name(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def found_in(path: Any) -> Iterator[tuple[str, str | None, int, bool]]:
    """Key, pattern, flags, and whether it has to match the whole text, of each regular expression in a module."""
    name = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text())
    used: dict[str, set[str]] = {}
    targets: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "re", f"{name}: write `import re`, so that its use is seen"
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            used.setdefault(base_name(node.value), set()).add(node.attr)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            target = base_name(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            targets.update({id(inner): target for inner in ast.walk(node.value)})
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = base_name(node.func)
        is_re = isinstance(node.func, ast.Attribute) and base_name(node.func.value) == "re" and called in CALLS
        if not is_re and called not in FIELDS:
            continue
        given = {word.arg: word.value for word in node.keywords}
        pattern = node.args[0] if node.args else given.get("regex", given.get("pattern"))
        text = constant(pattern)
        flags = given.get("flags") or next((one for one in node.args[1:] if "re." in ast.unparse(one)), None)
        if called in ("compile", *FIELDS):
            key, full = targets[id(node)], used.get(targets[id(node)], {"search"}) == {"fullmatch"}
        else:
            key, full = text or ast.unparse(pattern), called == "fullmatch"
        yield f"{name}: {key}", text, eval(ast.unparse(flags)) if flags else 0, full


@cache
def inventory() -> dict[str, Found]:
    found: dict[str, Found] = {}
    for path in (path for app in (*DOMAIN, "panel") for path in modules(app)):
        for key, pattern, flags, full in found_in(path):
            entry = REGISTER.get(key)
            patterns = (pattern,) if pattern is not None else ()
            if pattern is None and isinstance(entry, Foreign):
                patterns = entry.built
            if not patterns:
                module = importlib.import_module(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
                compiled = getattr(module, key.partition(": ")[2], None)
                if isinstance(compiled, re.Pattern):
                    patterns, flags = (compiled.pattern,), compiled.flags & ~re.UNICODE
            before = found.get(key)
            patterns += before.patterns if before else ()
            found[key] = Found(key, patterns, flags, full and (before is None or before.full))
    return found


def test_register_when_a_regular_expression_is_new_then_it_has_to_be_entered():
    known, written = set(REGISTER), set(inventory())
    assert not written - known, (
        f"Not in REGISTER: {sorted(written - known)}. Enter where its text comes from and how long that may be, "
        "with the worst input that you can think of; or Own(why) where nobody else can write the text."
    )
    assert not known - written, f"In REGISTER and nowhere else: {sorted(known - written)}. Take them out."
    unread = [key for key, found in inventory().items() if not found.patterns]
    assert not unread, f"{unread} are made from parts: enter the pattern as `built`."


FOREIGN = sorted(key for key, entry in REGISTER.items() if isinstance(entry, Foreign))


# -- steps -------------------------------------------------------------------------------------------


def growth(matcher: Matcher, attack: tuple[str, str, str], size: int) -> tuple[float, int]:
    """How much more eight times the text costs, and the steps of that."""
    prefix, pump, suffix = attack
    often = max(1, size // len(pump) // 8)
    try:
        small = matcher.count(prefix + pump * often + suffix)
        large = matcher.count(prefix + pump * often * 8 + suffix)
    except TooManySteps:
        return float("inf"), 0
    return large / small, large


def worst_attacks(matcher: Matcher, given: tuple[tuple[str, str, str], ...], most: int) -> list[tuple[str, str, str]]:
    """The attack whose steps grow most, the one that takes most of them, and those that are given."""
    found = {attack: growth(matcher, attack, min(most, 48)) for attack in (*given, *matcher.attacks())}
    grown = max(found, key=lambda attack: found[attack][0])
    return list(dict.fromkeys((grown, max(found, key=lambda attack: found[attack][1]), *given)))


def check_growth(
    matcher: Matcher, given: tuple[tuple[str, str, str], ...] = (), most: int = 1_000
) -> list[tuple[str, str, str]]:
    attacks = worst_attacks(matcher, given, most)
    for attack in attacks:
        size = min(most, 1_200)
        assert growth(matcher, attack, size)[0] <= LIMIT, f"more than linear for {attack!r} of {size} characters"
    return attacks


def check_memory(engine: re.Pattern[str], text: str, *, full: bool) -> None:
    """The engine remembers each repeat of a group that it may have to take back: 80 bytes and more."""
    tracemalloc.start()
    try:
        _ = engine.fullmatch(text) if full else sum(1 for _ in engine.finditer(text))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(text) + 20_000, f"{peak} bytes for {text[:20]!r}…"


@pytest.mark.parametrize("key", FOREIGN)
def test_pattern_when_it_meets_its_worst_text_then_steps_and_memory_stay_linear(key):
    entry, found = REGISTER[key], inventory()[key]
    for pattern in found.patterns:
        matcher = Matcher(pattern, found.flags, full=found.full)
        for prefix, pump, suffix in check_growth(matcher, entry.attacks, entry.most):
            text = prefix + pump * (min(entry.most, 200_000) // len(pump)) + suffix
            check_memory(re.compile(pattern, found.flags), text, full=found.full)


WORDS = r"(?:api[_-]?key|key|password|passwd|secret|token|authorization|cookie|csrf\w*)"
# The filter of the logs as it was, which four requests kept busy for half a minute.
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
def test_measure_when_a_pattern_is_more_than_linear_then_it_says_so(pattern, full):
    with pytest.raises(AssertionError, match="more than linear"):
        check_growth(Matcher(pattern, full=full))


@pytest.mark.parametrize(
    "text", ["key=a", "csrf_x-key: b", "a" * 30, 'api-key"  = c', "{[]}", "x\ny\n", "1,1,1", "<br />"]
)
def test_measure_when_it_matches_then_as_the_engine_does(text):
    for found in inventory().values():
        for pattern in found.patterns:
            matcher = Matcher(pattern, found.flags, full=found.full)
            engine = re.compile(pattern, found.flags)
            for start in range(len(text) + 1):
                match = (engine.fullmatch if found.full else engine.match)(text, start)
                assert matcher._run(matcher._code, text, start) == (match.end() if match else None), pattern


# -- what reads foreign text, as a whole ---------------------------------------------------------------


def thread_seconds(work: Callable[[], Any]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def check_time(read: Callable[[str], Any], attack: tuple[str, str, str], most: int) -> None:
    """Eight times the text may take twenty-four times as long: ten or twelve are usual, and 64 are quadratic.

    Short texts come first: what is far from linear shows there, and does not hang.
    """
    prefix, pump, suffix = attack
    room = min(most, ENOUGH) - len(prefix + suffix)

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
    # Where others press on the processor a measure may be wrong, but not each time.
    is_linear = any(seconds(room) <= 24 * seconds(room // 8) + 0.01 for _ in range(5))
    assert is_linear, f"{attack!r}: more than linear"


# Characters that tell what is linear from what is not; more of them only take longer.
ENOUGH = 500_000
REFUSALS = (UpstreamError, validation.OrderRefused, bulk_text.LinesRefused, csv_format.FileRefused)
REFUSALS += (ApiError, MoneyError, ValidationError, ValueError)
# Of the 64 MB that a list of services may have: as much as a test has time for.
ANSWER = 1_000_000
LINES = next(param for spec in SPECS.values() for param in spec.params if param.kind is Kind.LINES)
factory = RequestFactory()


def posted(body: str, kind: str) -> Any:
    return read_params(factory.generic("POST", "/api/v2", body.encode(), content_type=kind))


def asked(text: str) -> Any:
    return read_ids({"orders": text}, one="order", many="orders")


READERS: dict[str, tuple[Callable[[str], Any], int, tuple[tuple[str, str, str], ...]]] = {
    "a logged text": (
        lambda text: hide_secrets(None, "", {"event": text, text: {text: [text]}}),
        BODY // 8,
        (("", "csrf_", ""), ("", "%63srf_", ""), ("", "csrf_", "-"), ("://", "a", "")),
    ),
    "a logged traceback": (
        lambda text: hide_secrets(None, "", {"exception": text}),
        BODY,
        (("", "csrf_", ""), ("", "key=\n", ""), ("", "%0A", ""), ("", "://a:", "")),
    ),
    "a provider's answer": (
        load_with_addition,
        ANSWER,
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
    "an answer to add": (parse_add, ANSWER, (('{"error": "', "a_ ", '"}'), ('{"order": "', "1", '"}'))),
    "a name for an order": (names_order, ANSWER, (("", '"id" ', ""), ('"id"', " ", ""), ("", '"', ""))),
    "an error": (classify_error, ANSWER, (("", "_", ""), ("", "error.", ""), ("", "incorrect ", ""))),
    "a redacted answer": (
        Redactor("a-a-aa").before_parsing,
        ANSWER,
        (("", "a-", ""), ('"', "\\", ""), ('"', "a ", "")),
    ),
    "a short key's answer": (
        Redactor("a-a").before_parsing,
        ANSWER,
        (("", "a-", ""), ('"', "a-", ' "'), ("", '"', "")),
    ),
    "a provider's text": (
        lambda text: (
            clean_text(text, limit=ANSWER),
            parse_slug(text, limit=ANSWER),
            parse_id(text),
            parse_number(text),
        ),
        ANSWER,
        (("", " ", "x"), ("", "\r", ""), ("", "_-", "a"), ("", "\u200e", ""), ("1", "0", "")),
    ),
    "a link": (validation.check_link, BODY, (("", " ", "x"), ("a", ".a", ""), ("http://[", ":", "]"))),
    "a short link": (
        validation.check_link,
        validation.MAX_LINK,
        (("a", ".a", ""), ("", "-", ""), ("http://[", "1:", "]/")),
    ),
    "the key of a link": (validation.link_key, BODY, (("http://", "/", "a"), ("", "www.", ""), ("", "/", ""))),
    "comments": (
        lambda text: validation.check_param(param=LINES, text=text),
        validation.MAX_TEXT,
        (("", "\r", "a"), ("", " \n", "a"), ("", " ", "\n"), ("", "a\n", "")),
    ),
    "lines of orders": (
        bulk_text.read_lines,
        bulk_text.MAX_TEXT,
        (("", "|", ""), ("1|a|", "1", ""), ("1|a|", " ", "x"), ("", "\r\n", "1"), ("", "#", ""), ("1", "\t", "")),
    ),
    "a file of orders": (
        lambda text: bulk_text.read_lines(bulk_text.lines_of_file(text.encode())),
        bulk_text.MAX_TEXT,
        (
            ("", ",", ""),
            ("service,link\n", ",", ""),
            ('"', '""', ""),
            ("service,link\n", "1,a\n", ""),
            ("", ";\n", "a"),
        ),
    ),
    "a file of services": (
        lambda text: csv_format.read_rows(text.encode()),
        BODY // 4,
        (
            ("", ",", ""),
            ("id,name\n", "1,a\n", ""),
            ("id,name\n1,", '"', ""),
            ('id,name\n1,"', '""', ""),
            ("", "id,", "name"),
        ),
    ),
    "parameters in a form": (
        lambda text: posted(text, "application/x-www-form-urlencoded"),
        BODY // 4,
        (("a=", "%", ""),),
    ),
    "parameters in JSON": (
        lambda text: posted(text, "application/json"),
        BODY - 1,
        (('{"a": [', "1,", "1]}"), ("", "[", ""), ('{"a": ', "1", "}"), ('{"a": "', "\\", '"}'), ("", " ", "{}")),
    ),
    "ids": (asked, BODY, (("", ",", ""), ("", "1,", ""), ("", " ", ""), (" ,", ", ", ""))),
    "a whole number": (
        lambda text: read_whole({"a": text}, "a"),
        BODY,
        (("1.", "0", "x"), ("", "1", ""), ("1.", "0", "")),
    ),
    "an amount": (parse_decimal, BODY, (("", "1", ""), ("1", ",111", "x"), (" ", " ", "1"))),
    "what a page shows": (read_shown, HEADER, (("1-a-", "1", "x"), ("", "1-a-1-1.", ""), ("1-", "a", ""))),
    "a place": (_place, HEADER, (("1.", "1", ""), ("", "1", ""), ("", "-", ""))),
    "encodings": (accepts_gzip, HEADER, (("gzip;q=0.", "0", ""), ("", ",", ""), ("gzip;", " ", "q=1"))),
    "an address of mail": (
        validate_email,
        320,
        (("a@", "a.", ""), ("", "a.", "@"), ('"', "\\a", '"'), ("a@a", "-", "")),
    ),
    "a query": (QueryDict, HEADER, (("a=", "%", ""), ("", "a;", ""), ("", "%41", ""))),
}


@pytest.mark.parametrize("name", READERS)
def test_readers_when_a_text_is_eight_times_as_long_then_so_is_the_time(name):
    read, most, attacks = READERS[name]
    for attack in attacks:
        check_time(read, attack, most)


def test_json_when_it_is_logged_then_its_depth_and_size_are_bounded():
    wide = json.loads('{"a":' * 900 + "[" + ",".join(["1"] * 100_000) + "]" + "}" * 900)
    assert len(json.dumps(hide_secrets(None, "", {"data": wide, "list": [[wide] * 50] * 50}))) < 10_000
