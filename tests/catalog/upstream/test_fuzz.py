"""From any body, parsers return a clean result or raise our own errors."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.upstream import AddAccepted, Evidence, NotSent, Phase, ProviderRefused, Refused, Unknown, UnreadableAnswer
from catalog.upstream.cleaning import decode_body, parse_count, parse_id, parse_number
from catalog.upstream.judging import judge_add
from catalog.upstream.parsing import parse_add, parse_balance
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_clear_statuses,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services
from tests.catalog.upstream import hostile_bodies
from tests.catalog.upstream.hostile_bodies import SERVICE, STATUS

ASKED = ["1", "2", "ord_3"]
PARSERS: list[Callable[[str], Any]] = [
    parse_add,
    parse_balance,
    parse_services,
    partial(parse_services, currency="IDR"),
    partial(parse_balance, currency="IDR"),
    *(
        (lambda text, parse=parse, asked=asked: parse(text, asked))
        for parse in (parse_statuses, parse_cancels, parse_refills, parse_refill_statuses)
        for asked in (ASKED, ASKED[:1])
    ),
    lambda text: parse_clear_statuses(text, ASKED, currency="IDR"),
    lambda text: parse_statuses(text, ASKED[:1], singly=True),
]
KEYS = st.text(max_size=5) | st.sampled_from(
    [*("order", "order_id", "id", "orders", "data", "services", "service", "error", "Error")]
    + [*("errors", "status", "success", "message", "msg", "charge", "remains", "start_count")]
    + [*("refill", "refills", "cancel", "balance", "currency", "rate", "min", "max", "name")]
    + [*("type", "0", "1", "2", "ord_3")]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**4299, max_value=10**4299 + 5)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1", "Fail", "fail", "Incorrect order ID", "\ud800", "1e999", "NaN", "1,5"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)
BODIES_OF_ANY_KIND = (
    st.binary(max_size=200)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(VALUES, st.integers(0, 60), st.binary(max_size=8)).map(
        lambda parts: (raw := json.dumps(parts[0]).encode())[: parts[1]] + parts[2] + raw[parts[1] :]
    )
)
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow])
HTTP_STATUSES = [200, 201, 302, 400, 429, 500]
# The gate tries the first of the seeds, `make proof` all.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(1, 10))]
BODIES = 1_000
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MAX_LENGTHS = {"name": 500, "category": 200, "type": 60, "description": 5_000, "currency": 8, "status_text": 60}
MAX_LENGTHS |= {"text": 500, "reason": 520, "excerpt": 200}


@contextlib.contextmanager
def report_seed(seed: str, body: bytes | str) -> Iterator[None]:
    """Report the seed and the body of a failure, so that it can be repeated."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"seed {seed!r}: {body!r}")
        raise


def check(value: Any, name: str = "") -> None:
    """Assert harmless text, clean ids, and finite numbers in range."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            check(getattr(value, field.name), field.name)
    elif isinstance(value, tuple | list):
        for item in value:
            check(item, name)
    elif isinstance(value, dict):
        assert set(value) <= set(ASKED)
        for key, row in value.items():
            check(row)
            assert key == getattr(row, "order_id", None) or key == row.refill_id
    elif isinstance(value, str):
        allowed = "\n\t" if name == "description" else ""
        for character in value:
            assert unicodedata.category(character) not in ("Cc", "Cs") or character in allowed, (name, value)
            assert character not in BIDI, (name, value)
        assert len(value) <= MAX_LENGTHS.get(name, 520)
        if name in ("order_id", "external_id", "refill_id"):
            assert parse_id(value) == value and len(value) <= 64
    elif isinstance(value, Decimal):
        assert value.is_finite() and abs(value) < 10**19
        assert value == 0 or abs(value) > Decimal("1e-31")
    elif isinstance(value, int):
        assert abs(value) <= 10**15


def read(body: bytes, status: int) -> None:
    """Run every parser on a body and check the results."""
    text = decode_body(body)
    for parse in PARSERS:
        try:
            check(parse(text))
        except (ProviderRefused, UnreadableAnswer) as error:
            check(error.reason)
    outcome = judge_add(text=text, failure="", evidence=Evidence(Phase.ANSWERED, status, "", 1))
    check(outcome)
    match outcome:
        case AddAccepted():
            assert outcome.order_id
        case Refused():
            assert status < 500 and (outcome.text or status == 429)
        case NotSent():
            assert status == 302
        case _:
            assert isinstance(outcome, Unknown) and outcome.reason


@pytest.mark.parametrize("seed", SEEDS)
def test_parsers_when_answers_mutated_then_result_or_known_error(seed: int) -> None:
    for number in range(BODIES):
        name = f"{seed}-{number}"
        body = hostile_bodies.body(name)
        with report_seed(name, body):
            read(body, HTTP_STATUSES[number % len(HTTP_STATUSES)])


@FUZZ
@given(body=BODIES_OF_ANY_KIND, status=st.sampled_from(HTTP_STATUSES))
def test_parsers_when_given_any_bytes_then_result_or_known_error(body: bytes, status: int) -> None:
    read(body, status)


@FUZZ
@given(value=VALUES | st.decimals() | st.text(alphabet="0123456789.,eE-+$ EURNaN", max_size=50))
def test_numbers_when_input_is_arbitrary_then_in_range_or_none(value: object) -> None:
    check(parse_number(value))
    check(parse_count(value))


# -- one bad row -----------------------------------------------------------------------------------

GOOD = ["70001", "70002", "70003"]
BAD = "80001"


def services(text: str) -> dict[str, Any]:
    return {row.external_id: row for row in parse_services(text).rows}


def many(parse: Callable[..., Any]) -> Callable[[str], dict[str, Any]]:
    return lambda text: parse(text, [*GOOD, BAD])


LISTS: dict[str, tuple[Callable[[str], dict[str, Any]], str, dict[str, Any]]] = {
    "services": (services, "service", SERVICE),
    "status": (many(parse_statuses), "order", STATUS),
    "cancel": (many(parse_cancels), "order", {"cancel": 1}),
    "refill": (many(parse_refills), "order", {"refill": "55"}),
    "refill_status": (many(parse_refill_statuses), "refill", {"status": "Completed"}),
}
KEYS_OF_BAD = [BAD, "0", "1", "-1", "", " ", "\x00", "\ud800", "\u202e", f"{BAD}\x00", "x" * 5_000, "null", "Fail"]


@pytest.mark.parametrize("action", LISTS)
@pytest.mark.parametrize("is_dict", [False, True])
def test_rows_when_one_is_hostile_then_others_are_parsed(action: str, is_dict: bool) -> None:
    parse, id_key, example = LISTS[action]
    expected = parse(json.dumps([{**example, id_key: one} for one in GOOD]))
    assert [*expected] == GOOD
    # In a dict by id the key is enough, except for services, whose rows must hold their id.
    needs_id = not is_dict or action == "services"
    good = {one: json.dumps({**example, id_key: one} if needs_id else example) for one in GOOD}
    for number in range(400):
        seed = f"{action}-{is_dict}-{number}"
        rng = random.Random(seed)
        rows = [*good.items()]
        bad = hostile_bodies.row(rng, {**example, id_key: BAD} if needs_id else example)
        rows.insert(rng.randrange(4), (rng.choice(KEYS_OF_BAD), bad))
        if is_dict:
            text = "{" + ",".join(f"{json.dumps(key)}: {row}" for key, row in rows) + "}"
        else:
            text = "[" + ",".join(row for _, row in rows) + "]"
        text = rng.choice([text, f'{{"data": {text}}}'])
        with report_seed(seed, text):
            assert expected.items() <= parse(text).items()


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"order":'])
def test_parsers_when_nesting_is_deep_then_unreadable(opening: str) -> None:
    for parse in PARSERS:
        with pytest.raises(UnreadableAnswer):
            parse(opening * 100_000)
