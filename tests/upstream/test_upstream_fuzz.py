"""No body, however mangled, gets more than a result or our own errors out of a parser."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.upstream import (
    Evidence,
    Phase,
    Placed,
    ProviderRefused,
    UnreadableAnswer,
)
from catalog.upstream.cleaning import decode_body, parse_count, parse_id, parse_number
from catalog.upstream.judging import judge_add
from catalog.upstream.parsing import parse_add, parse_balance
from catalog.upstream.parsing_many import (
    parse_cancels,
    parse_refill_statuses,
    parse_refills,
    parse_statuses,
)
from catalog.upstream.parsing_services import parse_services

ASKED = ["1", "2", "ord_3"]
PARSERS: list[Callable[[str], Any]] = [
    parse_add,
    parse_balance,
    parse_services,
    *(
        (lambda text, parse=parse: parse(text, ASKED))
        for parse in (parse_statuses, parse_cancels, parse_refills, parse_refill_statuses)
    ),
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
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(VALUES, st.integers(0, 60), st.binary(max_size=8)).map(
        lambda parts: (raw := json.dumps(parts[0]).encode())[: parts[1]] + parts[2] + raw[parts[1] :]
    )
)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)


@FUZZ
@given(body=BODIES)
def test_parsers_when_fed_anything_then_only_their_own_errors(body: bytes) -> None:
    text = decode_body(body)
    for parse in PARSERS:
        with contextlib.suppress(ProviderRefused, UnreadableAnswer):
            parse(text)


@FUZZ
@given(body=BODIES, status=st.sampled_from([200, 201, 302, 400, 429, 500]))
def test_add_when_answered_with_anything_then_one_of_four_outcomes(body: bytes, status: int) -> None:
    evidence = Evidence(Phase.ANSWERED, status, "", 1)
    outcome = judge_add(text=decode_body(body), failure="", evidence=evidence)
    if isinstance(outcome, Placed):
        assert parse_id(outcome.order_id) == outcome.order_id != ""


@FUZZ
@given(value=VALUES | st.decimals() | st.text(alphabet="0123456789.,eE-+$ EURNaN", max_size=50))
def test_numbers_when_fed_anything_then_finite_and_in_range_or_none(value: object) -> None:
    number = parse_number(value)
    assert number is None or (number.is_finite() and abs(number) < 10**19)
    count = parse_count(value)
    assert count is None or abs(count) <= 10**15


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"order":'])
def test_parsers_when_nesting_is_deep_then_unreadable(opening: str) -> None:
    for parse in PARSERS:
        with pytest.raises(UnreadableAnswer):
            parse(opening * 100_000)
