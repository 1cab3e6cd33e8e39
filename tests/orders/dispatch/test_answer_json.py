"""Outcomes as JSON: what is read back is what was written, and nothing else is read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.upstream.errors import ErrorCode
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import AddAccepted, NotSent, Refused, Unknown
from orders.dispatch.answer_files import MAX_BYTES
from orders.dispatch.answer_json import KeptAnswer, answer_from_json, answer_to_json
from panel.lib.http.exchange import Phase

EVIDENCE = st.builds(
    Evidence,
    phase=st.sampled_from(Phase),
    http_status=st.none() | st.integers(100, 599),
    body_excerpt=st.text(max_size=2_048),
    elapsed_ms=st.integers(0, 10**9),
    redirect=st.text(max_size=200),
)
AMOUNTS = st.none() | st.decimals(allow_nan=False, allow_infinity=False)
OUTCOMES = (
    st.builds(AddAccepted, order_id=st.text(min_size=1, max_size=64), charge=AMOUNTS, evidence=EVIDENCE)
    | st.builds(Refused, code=st.sampled_from(ErrorCode), text=st.text(), evidence=EVIDENCE)
    | st.builds(NotSent, reason=st.text(), evidence=EVIDENCE)
    | st.builds(Unknown, reason=st.text(), evidence=EVIDENCE)
)
ACCEPTED = AddAccepted("17", Decimal("0.20"), Evidence(Phase.ANSWERED, 200, '{"order": 17}', 12))


@given(provider_name=st.text(), outcome=OUTCOMES)
def test_answer_when_written_and_read_then_it_is_the_same(provider_name, outcome):
    answer = KeptAnswer(provider_name, outcome)
    text = answer_to_json(answer)
    read = answer_from_json(text)
    assert read == answer
    assert type(read.outcome) is type(outcome)
    assert text.isascii()


def test_charge_when_written_and_read_then_it_keeps_its_digits():
    charges = [Decimal("0.30"), Decimal("1E-7"), Decimal("-0"), Decimal("12345678901234567890.123456789")]
    read = [
        answer_from_json(answer_to_json(KeptAnswer("", AddAccepted("1", one, ACCEPTED.evidence)))) for one in charges
    ]
    assert [str(one.outcome.charge) for one in read] == [str(one) for one in charges]


def test_answer_when_as_long_as_can_be_then_its_file_is_read():
    """A character outside the basic plane takes twelve bytes."""
    evidence = Evidence(Phase.ANSWERED, 200, "😀" * 2_048, 10**9)
    assert len(answer_to_json(KeptAnswer("😀" * 200, Unknown("😀" * 2_048, evidence)))) < MAX_BYTES


def changed(**values: Any) -> str:
    """Return an accepted answer with these values changed; those that are ... are missing."""
    stored = {**json.loads(answer_to_json(KeptAnswer("One", ACCEPTED))), **values}
    return json.dumps({name: value for name, value in stored.items() if value is not ...})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"accepted"',
        changed(kind="perhaps"),
        changed(kind=...),
        changed(provider=...),
        changed(order_id=...),
        changed(order_id=""),
        changed(order_id=17),
        changed(charge=...),
        changed(charge=0.2),
        changed(charge="much"),
        changed(charge="NaN"),
        changed(charge="Infinity"),
        changed(evidence=...),
        changed(evidence=[]),
        changed(evidence={}),
        changed(evidence={"phase": "asleep", "http_status": 200, "body_excerpt": "", "elapsed_ms": 1}),
        changed(evidence={"phase": "answered", "http_status": True, "body_excerpt": "", "elapsed_ms": 1}),
        changed(evidence={"phase": "answered", "http_status": 200, "body_excerpt": None, "elapsed_ms": 1}),
        changed(evidence={"phase": "answered", "http_status": 200, "body_excerpt": "", "elapsed_ms": "1"}),
        changed(
            evidence={"phase": "answered", "http_status": 200, "body_excerpt": "", "elapsed_ms": 1, "redirect": None}
        ),
        changed(kind="refused", code="a word", text="x"),
        changed(kind="refused", code="funds"),
        changed(kind="unknown"),
        changed(kind="not sent", reason=5),
    ],
)
def test_text_when_it_is_no_answer_then_it_is_refused(text):
    """A guess would be worse than none: an order would be bound or refunded by it."""
    with pytest.raises(ValueError):
        answer_from_json(text)


def test_text_when_unchanged_then_it_is_read():
    assert answer_from_json(changed()) == KeptAnswer("One", ACCEPTED)
    assert answer_from_json(changed(charge=None)).outcome == AddAccepted("17", None, ACCEPTED.evidence)
