"""Each setting of a dialect over real HTTP: what is sent, how it is read, and that the key stays hidden."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import pytest

from catalog.upstream import (
    AddAccepted,
    ErrorCode,
    NotSent,
    OrderStatus,
    RowError,
    StatusRow,
    UpstreamClient,
    UpstreamUnavailable,
)
from catalog.upstream.dialect import ACTING, READING, Dialect
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import LIMITED
from catalog.upstream.sending import Redirected, Sent
from panel.lib.http.exchange import Phase
from tests.catalog.upstream.fault_server import API_KEY, FaultServer, answer, http
from tests.logs import log_lines

STATUS = {"charge": "0.5", "start_count": "1", "status": "Completed", "remains": "0", "currency": "USD"}
ANSWERS: dict[str, Any] = {
    "balance": {"balance": "98.5", "currency": "USD"},
    "services": [{"service": 1, "name": "A", "type": "Default", "category": "X", "rate": "1", "min": 1, "max": 9}],
    "status": {"7": STATUS},
    "refill_status": [{"refill": 7, "status": "Completed"}],
    "add": {"order": 7},
    "cancel": [{"order": 7, "cancel": 1}],
    "refill": [{"order": 7, "refill": 1}],
}
CALLS: dict[str, Callable[[UpstreamClient], Any]] = {
    "balance": lambda client: client.balance(),
    "services": lambda client: client.services(),
    "status": lambda client: client.statuses(["7"]),
    "refill_status": lambda client: client.refill_statuses(["7"]),
    "add": lambda client: client.add({"service": "1", "link": "https://a.example/x", "quantity": "10"}),
    "cancel": lambda client: client.cancel(["7"]),
    "refill": lambda client: client.refill(["7"]),
}


def received(server: FaultServer, place: int = -1) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """Return method, path, parameters and headers of a request, the parameters from wherever they came."""
    head, _, body = server.whole[place].decode().partition("\r\n\r\n")
    line, *headers = head.split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    assert not (query and body)
    return method, path, dict(parse_qsl(query or body)), dict(header.split(": ", 1) for header in headers)


def scripted(server: FaultServer, respond: Callable[[str, dict[str, str]], Any]) -> None:
    """Answer each request with what `respond` returns for its method and parameters."""

    def behave(connection: Any) -> None:
        method, _, params, _ = received(server)
        body = respond(method, params)
        connection.sendall(http(body if isinstance(body, bytes) else json.dumps(body).encode()))

    server.behaviour = behave


# -- method --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "gets"), itertools.product(CALLS, [False, True]))
def test_method_when_set_then_get_for_reading_actions_alone(server, make_client, action, gets):
    server.behaviour = answer(ANSWERS[action])
    dialect = Dialect(get_actions=frozenset(READING) if gets else frozenset())
    CALLS[action](make_client(dialect=dialect))
    method, path, params, headers = received(server)
    assert method == ("GET" if gets and action in READING else "POST")
    assert (path, params["key"], params["action"]) == ("/api/v2", API_KEY, action)
    assert ("Content-Type" in headers) == (method == "POST")
    assert ("Cache-Control" in headers) == (method == "GET")


@pytest.mark.parametrize("action", ACTING)
def test_acting_when_dialect_is_forged_then_sent_by_post(server, make_client, action):
    """No setting whatsoever: not even a dialect that was made around its own checks."""
    with pytest.raises(ValueError, match="only be sent by POST"):
        Dialect(get_actions=frozenset([action]))

    class Forged(Dialect):
        def method(self, action: str) -> str:
            return "GET"

    dialect = Forged()
    object.__setattr__(dialect, "get_actions", frozenset((*READING, *ACTING)))
    server.behaviour = answer(ANSWERS[action])
    CALLS[action](make_client(dialect=dialect))
    assert [received(server, place)[0] for place in range(len(server.whole))] == ["POST"]


def test_get_when_address_has_a_query_then_both_are_sent(server, make_client):
    server.behaviour = answer(ANSWERS["balance"])
    make_client(url=f"{server.url}?lang=en", dialect=Dialect(get_actions=frozenset(["balance"]))).balance()
    assert received(server)[2] == {"lang": "en", "key": API_KEY, "action": "balance"}


# -- names and the key ---------------------------------------------------------------------------------


def test_names_when_set_then_sent_and_the_rest_stays(server, make_client):
    server.behaviour = answer(ANSWERS["add"])
    names = {"link": "url", "key": "api_key", "quantity": "qty", "order": "order_id", "orders": "order_ids"}
    client = make_client(dialect=Dialect(names=names))
    CALLS["add"](client)
    assert received(server)[2] == {
        "api_key": API_KEY,
        "action": "add",
        "service": "1",
        "url": "https://a.example/x",
        "qty": "10",
    }
    server.behaviour = answer(ANSWERS["status"])
    CALLS["status"](client)
    assert received(server)[2] == {"api_key": API_KEY, "action": "status", "order_ids": "7"}


def test_names_when_a_request_id_has_the_same_then_not_sent(server, make_client):
    client = make_client(dialect=Dialect(names={"link": "url"}))
    with pytest.raises(ValueError, match="same name"):
        client.add({"service": "1", "link": "https://a.example/x", "url": "request-7"})
    assert server.connections == 0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("X-Api-Key", ("X-Api-Key", API_KEY)),
        ("Authorization: Bearer", ("Authorization", f"Bearer {API_KEY}")),
        ("Authorization:Token", ("Authorization", f"Token {API_KEY}")),
    ],
)
@pytest.mark.parametrize("gets", [False, True])
def test_key_when_in_a_header_then_nowhere_else(server, make_client, header, expected, gets):
    server.behaviour = answer(ANSWERS["balance"])
    get_actions = frozenset(["balance"]) if gets else frozenset()
    make_client(dialect=Dialect(key_header=header, get_actions=get_actions)).balance()
    _, _, params, headers = received(server)
    assert headers[expected[0]] == expected[1]
    assert params == {"action": "balance"}
    assert server.whole[0].count(API_KEY.encode()) == 1


def test_key_when_it_fits_no_header_then_refused_before_sending(server, make_client):
    with pytest.raises(ValueError, match="cannot be sent in a header"):
        make_client(api_key="k\r\nHost: evil", dialect=Dialect(key_header="X-Api-Key"))


@pytest.mark.parametrize("key", [API_KEY, "k/e+y 1234=&", "ключ-123456"])
@pytest.mark.parametrize("fault", ["echo", "reset", "redirect", "cut", "headers"])
def test_key_when_in_the_address_then_in_no_log_error_or_evidence(server, make_client, key, fault):
    """With GET it stands in the address, which libraries like to put into their errors."""

    def respond(connection: Any) -> None:
        line = server.whole[-1].split(b"\r\n")[0]
        target = line.split(b" ")[1]
        if fault == "echo":
            connection.sendall(http(json.dumps({"error": f"no such page {target.decode()} for {key}"}).encode()))
        elif fault == "redirect":
            location = "Location: https://u:p@b.example" + target.decode() + "#x"
            connection.sendall(http(b"moved", status=301, headers=f"{location}\r\n"))
        elif fault == "headers":  # urllib3 warns of them, with the whole address.
            connection.sendall(http(b"{", headers="no header at all\r\n : x\r\n"))
        elif fault == "cut":
            connection.sendall(http(target, length=9_999))

    server.behaviour = respond
    seen: list[tuple[Sent, Evidence]] = []
    with log_lines() as stream:
        client = make_client(
            api_key=key,
            dialect=Dialect(get_actions=frozenset(["balance"]), names={"key": "k"}),
            observe=lambda sent, evidence: seen.append((sent, evidence)),
            read_timeout=0.5,
        )
        with pytest.raises(Exception) as caught:  # noqa: PT011
            client.balance()
    told = stream.getvalue() + repr(caught.value) + str(caught.value) + repr(caught.value.__dict__) + repr(seen)
    told += repr(client) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert not [form for form in (key, quote(key, safe=""), quote_plus(key)) if form in told]
    assert server.whole  # It was sent.


# -- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", CALLS)
def test_address_when_set_for_an_action_then_that_alone_goes_there(server, make_client, action):
    client = make_client(dialect=Dialect(addresses={action: "/other/place"}))
    for one, call in CALLS.items():
        server.behaviour = answer(ANSWERS[one])
        call(client)
        assert received(server)[1] == ("/other/place" if one == action else "/api/v2")


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "http://example.com/x"])
def test_address_when_of_an_action_then_guarded_like_the_main_one(make_client, place):
    client = make_client(
        url="https://provider.example/api/v2", allow_private=False, dialect=Dialect(addresses={"add": place})
    )
    outcome = CALLS["add"](client)
    assert isinstance(outcome, NotSent)
    assert "only https" in outcome.reason or "not public" in outcome.reason


# -- lists, numbers, case ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["status", "refill_status", "cancel", "refill"])
def test_ids_when_asked_singly_then_no_list_is_sent(server, make_client, action):
    parameter = "refill" if action == "refill_status" else "order"

    def respond(method: str, params: dict[str, str]) -> Any:
        one = params[parameter]
        return {"status": STATUS, "refill_status": {"status": "Completed"}}.get(
            action, {action: 1} if action == "cancel" else {"refill": f"r{one}"}
        )

    scripted(server, respond)
    client = make_client(dialect=Dialect(asks_singly=True))
    methods = {"status": client.statuses, "refill_status": client.refill_statuses}
    answers = (methods.get(action) or getattr(client, action))(["7", "8"])
    assert answers.keys() == {"7", "8"}
    assert not any(isinstance(one, RowError) for one in answers.values())
    assert [received(server, place)[2][parameter] for place in range(2)] == ["7", "8"]
    assert len(server.whole) == 2
    assert client.max_ids < 100


def test_ids_when_singly_and_provider_is_down_then_error_and_not_rows(server, make_client):
    """Rows of ids that were never asked would look like a provider that works."""
    server.behaviour = answer(b"", status=502)
    with pytest.raises(UpstreamUnavailable):
        make_client(dialect=Dialect(asks_singly=True), retries=0).statuses(["7", "8", "9", "10"])
    assert len(server.whole) == 3


def test_status_numbers_when_meant_then_read_as_words(server, make_client):
    codes = {"3": "completed", "0": "pending"}
    rows = {"7": {**STATUS, "status": 3}, "8": {**STATUS, "status": "0"}, "9": {**STATUS, "status": 5}}
    server.behaviour = answer(rows)
    answers = make_client(dialect=Dialect(status_codes=codes)).statuses(["7", "8", "9"])
    assert isinstance(answers["7"], StatusRow)
    assert (answers["7"].status, answers["8"].status) == (OrderStatus.COMPLETED, OrderStatus.PENDING)
    assert isinstance(answers["9"], RowError) or answers["9"].status is None


def test_names_in_answers_when_in_any_case_then_read(server, make_client):
    client = make_client(dialect=Dialect(any_case=True))
    server.behaviour = answer({"Order": 77, "Charge": "0.5"})
    assert isinstance(outcome := CALLS["add"](client), AddAccepted)
    assert outcome.order_id == "77"
    server.behaviour = answer({"7": {"Charge": "0.5", "StartCount": 1, "STATUS": "Completed", "Remains": 0}})
    row = client.statuses(["7"])["7"]
    assert isinstance(row, StatusRow)
    assert (row.status, row.start_count, row.remains) == (OrderStatus.COMPLETED, 1, 0)
    server.behaviour = answer({"Balance": "1.5", "Currency": "USD"})
    assert str(client.balance().amount) == "1.5"


def test_add_when_two_cases_differ_then_no_order_is_taken_from_it(server, make_client):
    server.behaviour = answer('{"Order": 77, "order": 78}')
    outcome = CALLS["add"](make_client(dialect=Dialect(any_case=True)))
    assert not isinstance(outcome, AddAccepted | NotSent)


# -- redirects -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("gets", [False, True])
def test_redirect_when_answered_then_told_and_not_followed(server, make_client, status, gets):
    target = f"Location: /v2/new/?key={API_KEY}\r\n"
    server.behaviour = answer(b"", status=status, headers=target)
    client = make_client(dialect=Dialect(get_actions=frozenset(READING) if gets else frozenset()))
    told = f"It redirects to http://127.0.0.1:{server.port}/v2/new/: enter that address."
    for action in ("balance", "services"):
        with pytest.raises(Redirected) as caught:
            CALLS[action](client)
        assert str(caught.value) == told
        assert not caught.value.may_have_acted
    outcome = CALLS["add"](client)
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.evidence.redirect) == (told, told.split()[3][:-1])
    assert len(server.whole) == 3


@pytest.mark.parametrize("location", ["javascript:alert(1)", "https://", "//[", "mailto:a@b", "x" * 9_000, ""])
def test_redirect_when_target_is_odd_then_short_or_unnamed(server, make_client, location):
    server.behaviour = answer(b"", status=301, headers=f"Location: {location}\r\n")
    outcome = CALLS["add"](make_client())
    assert isinstance(outcome, NotSent)
    assert len(outcome.reason) < 300
    assert "alert" not in outcome.reason


def test_redirect_when_order_is_named_then_still_unknown(server, make_client):
    server.behaviour = answer('{"order": 7', status=302, headers="Location: /x\r\n")
    assert not isinstance(CALLS["add"](make_client()), NotSent)


# -- the limit -----------------------------------------------------------------------------------------


def test_add_when_no_turn_is_free_then_not_sent_at_once(server, make_client):
    asked: list[bool] = []
    client = make_client(take_permit=lambda is_order: asked.append(is_order) or 30.0)
    outcome = CALLS["add"](client)
    assert isinstance(outcome, NotSent)
    assert outcome.is_limited
    assert (outcome.reason, outcome.evidence.phase) == (LIMITED, Phase.NEW)
    assert (asked, server.connections) == ([True], 0)


def test_reading_when_no_turn_is_free_then_waits_for_one(server, make_client):
    waits = iter([0.01, 0.01, 0.0])
    server.behaviour = answer(ANSWERS["balance"])
    make_client(take_permit=lambda is_order: next(waits)).balance()
    assert (next(waits, None), len(server.whole)) == (None, 1)


def test_reading_when_its_turn_is_too_late_then_unavailable(server, make_client):
    with pytest.raises(UpstreamUnavailable, match="limit of requests") as caught:
        make_client(take_permit=lambda is_order: 60.0, retries=0).balance()
    assert not caught.value.may_have_acted
    assert server.connections == 0


def test_cancel_when_its_turn_leaves_no_time_to_answer_then_not_sent(server, make_client):
    """Sent too late, it would be unknown whether it was carried out."""
    with pytest.raises(UpstreamUnavailable, match="limit of requests") as caught:
        make_client(take_permit=lambda is_order: 3.0, read_timeout=5.0).cancel(["7"])
    assert not caught.value.may_have_acted
    assert server.connections == 0


def test_singly_when_turns_run_out_then_the_rest_is_not_asked(server, make_client):
    server.behaviour = answer(STATUS)
    waits = iter([0.0])
    client = make_client(dialect=Dialect(asks_singly=True), take_permit=lambda is_order: next(waits, 60.0), retries=0)
    answers = client.statuses(["7", "8", "9"])
    assert isinstance(answers["7"], StatusRow)
    assert [answers[one].code for one in ("8", "9")] == [ErrorCode.THROTTLED] * 2  # type: ignore[union-attr]


# -- what staff see of a request -----------------------------------------------------------------------


def test_observer_when_called_then_sees_the_request_without_the_key(server, make_client):
    server.behaviour = answer(ANSWERS["status"])
    seen: list[tuple[Sent, Evidence]] = []
    dialect = Dialect(names={"key": "token", "orders": "ids"}, get_actions=frozenset(["status"]))
    make_client(dialect=dialect, observe=lambda *one: seen.append(one)).statuses(["7"])
    [(sent, evidence)] = seen
    assert (sent.action, sent.method, sent.address) == ("status", "GET", server.url)
    assert sent.params == (("token", "[key]"), ("action", "status"), ("ids", "7"))
    assert "Completed" in evidence.body_excerpt


def test_reading_when_it_failed_before_our_limit_then_the_failure_is_told(server, make_client):
    waits = iter([0.0, 1000.0])
    server.behaviour = answer("Bad gateway", status=502)
    with pytest.raises(UpstreamUnavailable, match="502"):
        make_client(take_permit=lambda is_order: next(waits)).statuses(["7"])
