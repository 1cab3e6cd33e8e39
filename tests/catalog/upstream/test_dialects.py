"""Panels that know only `order`, or only `orders`: both forms are tried, but nothing may be carried out twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog.upstream import (
    CancelAccepted,
    ErrorCode,
    ProviderRefused,
    RefillAccepted,
    RefillStatus,
    RefillStatusRow,
    RowError,
    StatusRow,
    UpstreamClient,
    UpstreamUnavailable,
)
from catalog.upstream import client as upstream_client
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer

KEY = "k-dialect"
LINK = "https://example.com/sandbox-completed"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(key=KEY, speed=0) as server:
        server.set_service(1, rate="1", min=1, max=1000, type="Default", refill=True, cancel=True)
        yield server


@pytest.fixture
def client(sandbox: SandboxServer, make_client: Callable[..., UpstreamClient]) -> UpstreamClient:
    return make_client(url=sandbox.url, api_key=KEY)


@pytest.fixture
def ids(sandbox: SandboxServer, client: UpstreamClient) -> list[str]:
    """Return the ids of two completed orders and a running one."""
    for _ in range(3):
        client.add({"service": "1", "link": LINK, "quantity": "10"})
    made = [str(one.id) for one in sandbox.orders()]
    for one in made[:2]:
        sandbox.set_order(int(one), status="Completed")
    sandbox.clear_requests()
    return made


def sent_forms(sandbox: SandboxServer, action: str) -> list[str]:
    """Return the requests it received, as `orders=1,2` or `order=1`."""
    return [
        f"{name}={value}"
        for one in sandbox.requests_of(action)
        for name, value in one.params.items()
        if name != "action"
    ]


def answering(body: Any, action: str, **values: Any) -> faults.Fault:
    return faults.reply(body=json.dumps(body).encode(), action=action, **values)


ONE_ONLY = [
    {"many": False},
    {"many": False, "refusal": "Incorrect order ID"},
    {"many": False, "refusal": "Incorrect refill ID"},
    {"many": False, "refusal": "Where is the order?"},
    {"many": False, "wrapped_errors": True},
]
BOTH = [{}, {"one": False}, {"rows": "dict"}, {"rows": "errors"}]


@pytest.mark.parametrize("dialect", [*ONE_ONLY, *BOTH], ids=str)
def test_many_when_sent_in_any_dialect_then_each_id_has_its_answer(sandbox, client, ids, dialect):
    sandbox.set_dialect(**dialect)
    asked = [*ids, "77777"]
    listed, singly = [f"orders={','.join(asked)}"], [f"order={one}" for one in asked]
    expected = listed + (singly if dialect.get("many") is False else [])

    refills = client.refill(asked)
    assert refills[ids[0]] == RefillAccepted(ids[0], "1")
    assert refills[ids[1]] == RefillAccepted(ids[1], "2")
    assert refills[ids[2]] == RowError(ids[2], ErrorCode.REFILL_REFUSED, "Order not completed")
    assert refills["77777"] == RowError("77777", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    assert sent_forms(sandbox, "refill") == expected

    cancels = client.cancel(asked)
    assert cancels[ids[2]] == CancelAccepted(ids[2])
    assert cancels[ids[0]] == RowError(ids[0], ErrorCode.CANCEL_REFUSED, "Order already completed")
    assert cancels["77777"] == RowError("77777", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")
    assert sent_forms(sandbox, "cancel") == expected

    sandbox.set_refill(2, status="In progress")
    statuses = client.refill_statuses(["1", "2", "9"])
    assert statuses["2"] == RefillStatusRow("2", RefillStatus.IN_PROGRESS, "In progress")
    assert statuses["9"] == RowError("9", ErrorCode.UNKNOWN_REFILL, "Incorrect refill ID")


@pytest.mark.parametrize("refill_ids", [True, False])
@pytest.mark.parametrize("many", [True, False])
def test_refill_when_success_is_a_sentence_then_no_refill_id(sandbox, client, ids, many, refill_ids):
    sandbox.set_dialect(many=many, refill_ids=refill_ids)
    assert client.refill(ids[:1]) == {ids[0]: RefillAccepted(ids[0], "1" if refill_ids else "")}


@pytest.mark.parametrize("dialect", ONE_ONLY, ids=str)
def test_status_when_one_id_then_sent_in_both_forms(sandbox, client, ids, dialect):
    sandbox.set_dialect(**dialect)
    answers = client.statuses(ids[:1])
    assert isinstance(answers[ids[0]], StatusRow)
    assert sent_forms(sandbox, "status") == [f"orders={ids[0]}", f"order={ids[0]}"]


def test_status_when_list_is_refused_then_raised_for_the_caller(sandbox, client, ids):
    sandbox.set_dialect(many=False)
    with pytest.raises(ProviderRefused):
        client.statuses(ids)
    assert len(sandbox.requests_of("status")) == 1


def test_status_when_id_is_unknown_in_both_forms_then_row_error(sandbox, client):
    for call in (client.statuses, client.cancel, client.refill):
        assert call(["77777"]) == {"77777": RowError("77777", ErrorCode.UNKNOWN_ORDER, "Incorrect order ID")}
    assert client.refill_statuses(["9"]) == {"9": RowError("9", ErrorCode.UNKNOWN_REFILL, "Incorrect refill ID")}


def test_many_when_provider_lacks_action_then_refused_after_one_id(sandbox, client, ids):
    sandbox.inject(answering({"error": "Invalid action"}, "cancel", times=None))
    with pytest.raises(ProviderRefused) as refusal:
        client.cancel(ids)
    assert refusal.value.code is ErrorCode.PROTOCOL
    assert sent_forms(sandbox, "cancel") == [f"orders={','.join(ids)}", f"order={ids[0]}"]


@pytest.mark.parametrize("text", ["Invalid API key", "Too many requests", "Not enough funds"])
def test_many_when_refusal_is_about_our_account_then_not_sent_again(sandbox, client, ids, text):
    sandbox.inject(answering({"error": text}, "refill"))
    with pytest.raises(ProviderRefused) as refusal:
        client.refill(ids)
    assert not refusal.value.may_have_acted
    assert len(sandbox.requests_of("refill")) == 1


MAYBE_DONE = [
    faults.drop_after("refill"),
    faults.truncate("refill"),
    faults.reply(body=b"<html>", action="refill", processed=True),
    faults.reply(status=500, body=b'{"error": "Incorrect order ID"}', action="refill", processed=True),
    faults.reply(body=b'{"refill": 5}', action="refill", processed=True),
]


@pytest.mark.parametrize("fault", MAYBE_DONE, ids=lambda one: f"{one.end}-{one.status}-{one.body!r}"[:40])
def test_many_when_list_may_have_been_executed_then_not_resent(sandbox, client, ids, fault):
    sandbox.inject(fault)
    with pytest.raises(Exception) as failure:  # noqa: PT011  (three kinds)
        client.refill(ids)
    assert failure.value.may_have_acted
    assert len(sandbox.requests_of("refill")) == 1


def test_many_when_row_is_missing_then_id_is_not_sent_alone(sandbox, client, ids):
    sandbox.inject(answering([{"order": ids[0], "refill": 1}], "refill"))
    assert set(client.refill(ids)) == {ids[0]}
    assert len(sandbox.requests_of("refill")) == 1


def test_one_by_one_when_one_is_in_doubt_then_only_it_is_absent(sandbox, client, ids):
    sandbox.set_dialect(many=False)
    sandbox.inject(answering({"error": "Incorrect request"}, "refill"))
    sandbox.inject(faults.drop_after("refill"))
    answers = client.refill(ids)
    assert ids[0] not in answers
    assert isinstance(answers[ids[1]], RefillAccepted)
    assert sent_forms(sandbox, "refill") == [f"orders={','.join(ids)}", *(f"order={one}" for one in ids)]


def test_one_by_one_when_throttled_halfway_then_rest_is_not_sent(sandbox, client, ids):
    sandbox.set_dialect(many=False)
    sandbox.inject(answering({"error": "Incorrect request"}, "refill"))
    sandbox.inject(answering({"refill": "5"}, "refill"))
    sandbox.inject(answering({"error": "Too many requests"}, "refill"))
    answers = client.refill(ids)
    assert answers[ids[0]] == RefillAccepted(ids[0], "5")
    assert {answers[one].code for one in ids[1:]} == {ErrorCode.THROTTLED}
    assert len(sandbox.requests_of("refill")) == 3


def test_one_by_one_when_answers_stop_then_other_ids_are_not_sent(sandbox, client, ids):
    sandbox.set_dialect(many=False)
    many = [str(1000 + place) for place in range(20)]
    sandbox.inject(answering({"error": "Incorrect request"}, "cancel"))
    sandbox.inject(faults.drop_after("cancel", times=None))
    answers = client.cancel(many)
    assert set(answers) == set(many[3:])
    assert len(sandbox.requests_of("cancel")) == 1 + 3


def test_one_by_one_when_provider_is_slow_then_one_deadline_for_all(sandbox, make_client, monkeypatch):
    """A hundred ids at a slow provider would otherwise block a worker for an hour."""

    class TenSecondsARequest:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + 10 * len(sandbox.requests_of("refill_status"))

    monkeypatch.setattr(upstream_client, "time", TenSecondsARequest)
    client = make_client(url=sandbox.url, api_key=KEY, read_timeout=45)
    sandbox.set_dialect(many=False)
    many = [str(1000 + place) for place in range(100)]
    answers = client.refill_statuses(many)
    assert [answers[one].code for one in many] == [ErrorCode.UNKNOWN_REFILL] * 3 + [ErrorCode.THROTTLED] * 97
    assert len(sandbox.requests_of("refill_status")) == 1 + 3


@pytest.mark.parametrize("body", [b"", b"[", b"7", b'"no"', b"<html>", b'{"a": {"b": {}}}', b"null", b"[[1]]"])
@pytest.mark.parametrize("action", ["cancel", "refill", "refill_status"])
def test_many_when_single_answer_is_garbage_then_not_answered(sandbox, client, ids, action, body):
    sandbox.inject(answering({"error": "Incorrect request"}, action))
    sandbox.inject(faults.reply(body=body, action=action, times=None))
    answers = getattr(client, action if action != "refill_status" else "refill_statuses")(ids)
    assert all(isinstance(one, RowError) for one in answers.values())


def test_cancel_when_nothing_was_sent_then_error_says_so(make_client):
    client = make_client(url="http://127.0.0.1:9/api/v2")
    with pytest.raises(UpstreamUnavailable) as failure:
        client.cancel(["1", "2"])
    assert not failure.value.may_have_acted
