"""Trials of providers in many dialects, over real HTTP: what is asked, how it is read, and what is proposed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog.models import Provider
from catalog.provider_accounts import client_for, set_api_key
from catalog.trial import run
from catalog.trial.run import NO_SUCH_ID, Proposal, ProposalOutdated, Trial, run_trial, take_proposals, wanted_names
from catalog.upstream.dialect import ACTING, DialectError
from tests import make
from tests.catalog.upstream.fault_server import API_KEY, FaultServer, answer, http, late
from tests.catalog.upstream.test_sending import received

pytestmark = [pytest.mark.django_db, pytest.mark.once]

KNOWN = "7000003"
REFILL = "55"
ROW = {"charge": "0.5", "start_count": 1, "status": "Completed", "remains": 0, "currency": "USD"}
SERVICE = {"service": 1, "name": "A", "type": "Default", "category": "X", "rate": "1", "min": 1, "max": 9}
UNKNOWN = {"error": "Incorrect order ID"}
Params = dict[str, str]


def usual(params: Params, *, one: str = "order", many: str = "orders") -> Any:
    """Answer as the standard says."""
    action = params.get("action")
    if action == "balance":
        return {"balance": "98.5", "currency": "USD"}
    if action == "services":
        return [SERVICE]
    if action == "refill_status":
        ids = params.get("refills", params.get("refill", "")).split(",")
        return [{"refill": each, "status": "Completed"} for each in ids]
    if action == "status" and many in params:
        return {each: ROW if each == KNOWN else UNKNOWN for each in params[many].split(",")}
    if action == "status" and one in params:
        return ROW if params[one] == KNOWN else UNKNOWN
    return {"error": "Incorrect request"}


class Panel:
    """A provider whose answers a test decides, request by request."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.respond: Callable[[str, Params, dict[str, str]], Any] = lambda method, params, headers: usual(params)
        server.behaviour = self._behave

    def _behave(self, connection: Any) -> None:
        method, _, params, headers = received(self.server)
        if self.needs_key and not self.has_key(params, headers):
            connection.sendall(http(json.dumps({"error": "Invalid API key"}).encode()))
            return
        body = self.respond(method, params, headers)
        connection.sendall(body if isinstance(body, bytes) else http(json.dumps(body).encode()))

    needs_key = True

    @staticmethod
    def has_key(params: Params, headers: dict[str, str]) -> bool:
        return params.get("key") == API_KEY

    def asked(self) -> list[tuple[str, str]]:
        """Return method and action of each request."""
        every = (received(self.server, place) for place in range(len(self.server.whole)))
        return [(method, params.get("action", "")) for method, _, params, _ in every]


@pytest.fixture
def panel() -> Iterator[Panel]:
    server = FaultServer()
    yield Panel(server)
    server.close()


@pytest.fixture
def provider(db, panel) -> Provider:
    return make.provider(url=panel.server.url, api_key=API_KEY)


def trial_of(provider: Provider, **known: Any) -> Trial:
    return run_trial(provider=provider, order_id=KNOWN, refill_id=REFILL, **known)


def moods(trial: Trial) -> list[str]:
    return [step.reading.mood for step in trial.steps]


def proposed(trial: Trial) -> dict[str, Any]:
    return {one.setting: one.value for one in trial.proposals}


def applied(provider: Provider, trial: Trial) -> Trial:
    """Take over all that was proposed, and return another trial of the same provider."""
    take_proposals(provider=provider, proposals=trial.proposals)
    provider.refresh_from_db()
    return trial_of(provider)


def test_trial_when_standard_then_all_understood_and_none_proposed(provider, panel):
    trial = trial_of(provider)
    assert [step.title for step in trial.steps] == [
        "Balance",
        "Services",
        f"Status of order {KNOWN}",
        "Status of an order that cannot exist",
        "Status of both in one list",
        f"Status of refill {REFILL}",
    ]
    assert set(moods(trial)) == {"success"}
    assert (trial.proposals, trial.hints, trial.ran_out) == ([], [], False)
    texts = [step.reading.text for step in trial.steps]
    assert texts[0] == "Read as 98.5 USD."
    assert texts[1] == "Read as a list of 1 service."
    assert texts[2] == "Read as Completed; charged 0.5 USD, 0 remain."
    assert "Incorrect order ID" in texts[3]


def test_trial_when_nothing_is_known_then_only_a_missing_order(provider, panel):
    trial = run_trial(provider=provider)
    assert [step.title for step in trial.steps] == ["Balance", "Services", "Status of an order that cannot exist"]


GET_ONLY = {"error": "Invalid order ID"}
HEADERS: list[tuple[str, Callable[[dict[str, str]], str | None], str]] = [
    ("Authorization: Bearer", lambda headers: headers.get("Authorization"), f"Bearer {API_KEY}"),
    ("X-Api-Key", lambda headers: headers.get("X-Api-Key"), API_KEY),
]


def case_of(body: Any) -> Any:
    """Return the answer with capitals in the names of fields."""
    if isinstance(body, dict):
        return {name.title().replace("_", ""): case_of(value) for name, value in body.items()}
    return [case_of(one) for one in body] if isinstance(body, list) else body


def by_get(method: str, params: Params, headers: dict[str, str]) -> Any:
    return GET_ONLY if params["action"] == "status" and method == "POST" else usual(params)


def singly(method: str, params: Params, headers: dict[str, str]) -> Any:
    return {"error": "order is required"} if "orders" in params else usual(params)


def rows_without_ids(method: str, params: Params, headers: dict[str, str]) -> Any:
    return [ROW for _ in params["orders"].split(",")] if "orders" in params else usual(params)


def order_id(method: str, params: Params, headers: dict[str, str]) -> Any:
    return usual(params, one="order_id", many="-")


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        (by_get, {"get_actions": ["status"]}),
        (singly, {"asks_singly": True}),
        (rows_without_ids, {"asks_singly": True}),
        (lambda method, params, headers: case_of(usual(params)), {"any_case": True}),
        (order_id, {"names": {"order": "order_id"}, "asks_singly": True}),
    ],
    ids=["GET", "singly", "rows without ids", "case", "order_id"],
)
def test_trial_when_in_a_dialect_then_proposes_it_and_it_works(provider, panel, respond, expected):
    panel.respond = respond
    trial = trial_of(provider)
    assert proposed(trial) == expected
    again = applied(provider, trial)
    assert "danger" not in moods(again)
    assert again.proposals == []
    [row] = client_for(provider).statuses([KNOWN]).values()
    assert row.status == "completed"  # type: ignore[union-attr]


@pytest.mark.parametrize(("header", "read", "value"), HEADERS)
def test_trial_when_key_belongs_in_a_header_then_proposed(provider, panel, header, read, value):
    panel.has_key = lambda params, headers: read(headers) == value  # type: ignore[method-assign]
    trial = trial_of(provider)
    assert proposed(trial) == {"key_header": header}
    assert set(moods(applied(provider, trial))) == {"success"}


@pytest.mark.parametrize("name", ["api_key", "token"])
def test_trial_when_key_has_another_name_then_proposed(provider, panel, name):
    panel.has_key = lambda params, headers: params.get(name) == API_KEY  # type: ignore[method-assign]
    trial = trial_of(provider)
    assert proposed(trial) == {"names": {"key": name}}
    assert set(moods(applied(provider, trial))) == {"success"}


def test_trial_when_all_is_by_get_then_one_proposal_for_all(provider, panel):
    panel.respond = lambda method, params, headers: usual(params) if method == "GET" else {"error": "use GET"}
    assert proposed(trial_of(provider)) == {"get_actions": ["balance", "refill_status", "services", "status"]}


def test_trial_when_get_is_set_but_post_works_then_proposes_post(provider, panel):
    panel.respond = lambda method, params, headers: usual(params) if method == "POST" else {"error": "no"}
    Provider.objects.update(dialect={"get_actions": ["balance"]})
    provider.refresh_from_db()
    trial = trial_of(provider)
    assert trial.proposals == [Proposal("get_actions", ["balance"], None)]
    applied(provider, trial)
    assert Provider.objects.get().dialect is None


def test_trial_when_status_is_a_number_then_hints_and_never_guesses(provider, panel):
    def numbers(method: str, params: Params, headers: dict[str, str]) -> Any:
        found = usual(params)
        if params["action"] != "status":
            return found
        return {name: {**row, "status": 3} if "status" in row else row for name, row in found.items()}

    panel.respond = numbers
    trial = trial_of(provider)
    assert trial.proposals == []
    [hint] = trial.hints
    assert "number (3)" in hint
    Provider.objects.update(dialect={"status_codes": {"3": "completed"}})
    provider.refresh_from_db()
    assert set(moods(trial_of(provider))) == {"success"}


def test_trial_when_redirected_then_hint_with_the_target(provider, panel):
    panel.server.behaviour = answer(b"", status=301, headers="Location: https://www.b.example/api/v2/?x=1\r\n")
    trial = trial_of(provider)
    assert trial.hints == ["It redirects to https://www.b.example/api/v2/: enter that address."]
    assert len(panel.server.whole) == 1


@pytest.mark.parametrize("body", [b"<html>", b"", b"{", b"[1]", b'{"error": "no"}', b'{"balance": {"x": []}}'])
def test_trial_when_nothing_is_understood_then_ends_within_bounds(provider, panel, body):
    panel.server.behaviour = answer(body)
    trial = trial_of(provider)
    assert trial.proposals == []
    assert len(panel.server.whole) <= run.MAX_REQUESTS + 2
    assert not set(ACTING) & {action for _, action in panel.asked()}


def test_trial_when_no_server_listens_then_one_step(provider, panel):
    panel.server.close()
    trial = trial_of(provider)
    assert [(step.title, step.reading.mood) for step in trial.steps] == [("Balance", "danger")]


def test_trial_when_slow_then_ends_with_its_time(provider, panel, monkeypatch):
    monkeypatch.setattr(run, "MAX_SECONDS", 1.2)
    panel.server.behaviour = late(answer({"balance": "1"}), 0.5)
    trial = trial_of(provider)
    assert trial.ran_out
    assert len(panel.server.whole) <= 3


def test_trial_when_run_then_sends_reading_actions_alone(provider, panel):
    panel.respond = lambda method, params, headers: {"error": "?"}
    trial_of(provider)
    assert {action for _, action in panel.asked()} == {"balance", "services", "status", "refill_status"}
    assert NO_SUCH_ID in str(panel.server.whole)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The url field is required", {"link": "url"}),
        ("Missing parameter: qty", {"quantity": "qty"}),
        ("Please provide service_id", {"service": "service_id"}),
        ("Link is required: enter a url", {}),
        ("Bad url", {}),
        ("The link field is required", {}),
        ("", {}),
        ("url " * 10_000 + "required", {}),
    ],
)
def test_names_when_refusals_ask_for_them_then_found(text, expected):
    assert wanted_names([text]) == expected


def test_trial_when_an_order_was_refused_for_url_then_proposed(provider, panel):
    assert proposed(trial_of(provider, refusals=["url is required"])) == {"names": {"link": "url"}}


# -- taking over ---------------------------------------------------------------------------------------


def test_proposal_when_setting_changed_meanwhile_then_not_taken(provider):
    Provider.objects.update(dialect={"names": {"link": "url"}})
    with pytest.raises(ProposalOutdated):
        take_proposals(provider=provider, proposals=[Proposal("names", None, {"link": "u"})])
    take_proposals(provider=provider, proposals=[Proposal("any_case", None, True)])
    assert Provider.objects.get().dialect == {"names": {"link": "url"}, "any_case": True}


def test_proposal_when_it_does_not_fit_then_refused(provider):
    with pytest.raises(DialectError):
        take_proposals(provider=provider, proposals=[Proposal("get_actions", None, ["add"])])
    assert Provider.objects.get().dialect is None


def test_steps_when_key_is_echoed_then_hidden(provider, panel):
    set_api_key(provider=provider, api_key=API_KEY)
    panel.respond = lambda method, params, headers: {"error": f"wrong {params} {headers}"}
    assert API_KEY not in repr(trial_of(provider))
