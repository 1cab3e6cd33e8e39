"""The seven actions of the served API over real HTTP, with our own client as the customer's program."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Wallet
from catalog.models import CustomerPrice, UpstreamService
from catalog.service_types import SPECS
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode, classify_error
from catalog.upstream.results import (
    AddAccepted,
    CancelAccepted,
    OrderStatus,
    RefillAccepted,
    RefillStatus,
    Refused,
    RowError,
    Unknown,
)
from orders.models import CancelRequest, Order, Refill
from orders.requests import cancel
from orders.requests.refill import RefillRefusal
from orders.states import RefillState, Status
from panel.accounts.models import ApiKey
from panel.api import cancel_refill, errors
from panel.api.errors import Throttled, refused_refill
from panel.api.keys.services import revoke_key
from panel.api.status import _REFILL_STATUS, read_refills
from tests import make
from tests.api_calls import LINK, add, call_api, new_key, params_for, set_order_state
from tests.scenes import nothing_changes, statements

http = pytest.mark.django_db(transaction=True)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def service(db):
    """Followers for $2.50 the 1,000."""
    return make.service(make.provider())


@pytest.fixture
def key(customer):
    return new_key(customer)


@pytest.fixture
def connect(live_server):
    """Return our own client, as another panel uses it, connected to this one."""

    def with_key(secret):
        return UpstreamClient(url=f"{live_server.url}/api/v2", api_key=secret, allow_private=True)

    return with_key


def asked_for(sold, **changes):
    return {"service": str(sold.pk), "link": LINK, **params_for(sold), **changes}


# -- our own client understands each answer ----------------------------------------------------------


@http
def test_client_when_it_reads_services_then_each_row_is_valid(connect, customer, key):
    provider = make.provider()
    services = {
        made.pk: made
        for number, name in enumerate(SPECS)
        for made in [make.service(provider, external_id=str(number), type=name, low=1)]
    }
    listed = connect(key).services()
    assert listed.skipped == ()
    assert {int(row.external_id): row.type for row in listed.rows} == {pk: one.type for pk, one in services.items()}
    for row in listed.rows:
        service = services[int(row.external_id)]
        is_package = SPECS[service.type].is_package
        assert (row.rate, row.min, row.max) == (Decimal("2.5"), 1, 1 if is_package else 10_000)
        assert (row.refill, row.cancel, row.dripfeed) == (True, True, service.type == "default")
        assert (row.name, row.category) == ("Followers", "Social")


@http
@pytest.mark.parametrize("service_type", SPECS)
def test_client_when_it_orders_each_type_then_as_from_the_browser(connect, customer, key, service_type):
    """All columns are compared: only the origin may differ."""
    service = make.service(make.provider(), type=service_type, low=1)
    CustomerPrice.objects.create(customer=customer, service=service, price=make.micros("3.1"))
    client = Client()
    client.force_login(customer)
    form = {"request_key": uuid4().hex, "seen_charge": 10**9, **asked_for(service)}
    assert client.post(reverse("order_new"), form).status_code == 302
    outcome = connect(key).add(asked_for(service))
    assert isinstance(outcome, AddAccepted), outcome
    by_api = Order.objects.get(pk=outcome.order_id)
    by_form = Order.objects.exclude(pk=by_api.pk).get()
    own = {"id", "request_key", "api_key_ref", "created_at", "queued_at", "next_action_at", "turn"}
    values = Order.objects.in_bulk([by_api.pk, by_form.pk])
    rows = [{one.attname: getattr(values[pk], one.attname) for one in Order._meta.concrete_fields} for pk in values]
    assert len(rows) == 2
    assert [name for name in rows[0] if rows[0][name] != rows[1][name] and name not in own] == []
    assert (by_form.api_key_ref, by_api.api_key_ref) == (None, ApiKey.objects.get().pk)
    assert by_api.price == make.micros("3.1")
    assert Wallet.objects.get(customer=customer).balance == make.micros("10") - 2 * by_api.charge


@http
def test_client_when_it_reads_statuses_then_one_and_many_by_our_ids(connect, customer, service, key):
    first, second = (make.accepted_order(customer, service, upstream_id=f"77{n}") for n in range(2))
    set_order_state(first, Status.IN_PROGRESS, remains=40, start_count=1_200)
    client = connect(key)
    [row] = client.statuses([str(first.pk)]).values()
    assert (row.order_id, row.status, row.remains, row.start_count) == (
        str(first.pk),
        OrderStatus.IN_PROGRESS,
        40,
        1200,
    )
    assert (row.charge, row.currency) == (Decimal("0.25"), "USD")
    answers = client.statuses([str(first.pk), str(second.pk), "770", "x"])
    assert answers[str(first.pk)] == row
    assert answers[str(second.pk)].status is OrderStatus.PENDING
    assert {answers[one].code for one in ("770", "x")} == {ErrorCode.UNKNOWN_ORDER}


@http
def test_client_when_it_cancels_then_each_order_has_a_result(connect, customer, service, key):
    queued = make.order(customer, service)
    placed = make.accepted_order(customer, service, upstream_id="771")
    ended = set_order_state(make.order(customer, service), Status.COMPLETED)
    answers = connect(key).cancel([str(one.pk) for one in (queued, placed, ended)] + ["999999"])
    assert [type(one) for one in answers.values()] == [CancelAccepted, CancelAccepted, RowError, RowError]
    assert answers[str(ended.pk)].code is ErrorCode.CANCEL_REFUSED
    assert answers["999999"].code is ErrorCode.UNKNOWN_ORDER
    queued.refresh_from_db()
    assert (queued.status, queued.refunded) == (Status.CANCELED, queued.charge)
    assert CancelRequest.objects.get().order == placed


@http
def test_client_when_it_refills_then_it_can_track_the_refill(connect, customer, service, key):
    done = set_order_state(make.order(customer, service), Status.COMPLETED)
    client = connect(key)
    answers = client.refill([str(done.pk), "999999"])
    refill = Refill.objects.get()
    assert answers[str(done.pk)] == RefillAccepted(str(done.pk), str(refill.pk))
    assert answers["999999"].code is ErrorCode.UNKNOWN_ORDER
    for state, word in _REFILL_STATUS.items():
        Refill.objects.update(state=state)
        answers = client.refill_statuses([str(refill.pk), "999999"])
        assert answers[str(refill.pk)].status is RefillStatus(word.lower().replace(" ", "_"))
        assert answers["999999"].code is ErrorCode.UNKNOWN_REFILL
        assert client.refill_statuses([str(refill.pk)]) == {str(refill.pk): answers[str(refill.pk)]}


@pytest.mark.parametrize(
    ("upstream_id", "days", "word"), [("55", 0, "Rejected"), ("", 0, "In progress"), ("", 31, "Rejected")]
)
def test_refill_status_when_given_up_then_not_in_progress(customer, service, upstream_id, days, word):
    """A program that waits for the end of a refill would wait for ever."""
    order = set_order_state(make.order(customer, service), Status.COMPLETED)
    created_at = timezone.now() - timedelta(days=days)
    refill = Refill.objects.create(
        order=order,
        provider=order.provider,
        state=RefillState.UNFOLLOWED,
        upstream_id=upstream_id,
        created_at=created_at,
    )
    assert read_refills(customer=customer, ids=[refill.pk]) == {refill.pk: word}


def test_refill_status_when_states_are_added_then_each_has_a_word():
    assert set(_REFILL_STATUS) == set(RefillState)


@http
def test_client_when_it_reads_the_balance_then_that_of_the_wallet(connect, customer, key):
    balance = connect(key).balance()
    assert (balance.amount, balance.currency) == (Decimal("10"), "USD")


@http
def test_client_when_an_order_crashes_then_in_doubt_and_not_refused(connect, service, key, monkeypatch):
    def crash(**_):
        raise RuntimeError("boom")

    monkeypatch.setattr("panel.api.add.create_order", crash)
    outcome = connect(key).add(asked_for(service))
    assert isinstance(outcome, Unknown)
    assert outcome.evidence.http_status == 500
    assert "boom" not in outcome.evidence.body_excerpt


@pytest.mark.parametrize("action", ["cancel", "refill"])
def test_many_when_one_crashes_then_the_others_are_processed(customer, service, key, action, monkeypatch):
    orders = [make.order(customer, service) for _ in range(3)]
    if action == "refill":
        orders = [set_order_state(one, Status.COMPLETED) for one in orders]
    name = "cancel_order" if action == "cancel" else "request_refill"
    original = getattr(cancel_refill, name)

    def crashes(*, order, actor):
        if order == orders[1]:
            raise RuntimeError("boom")
        return original(order=order, actor=actor)

    monkeypatch.setattr(cancel_refill, name, crashes)
    rows = call_api(key, action, orders=",".join(str(one.pk) for one in orders))
    assert [row["order"] for row in rows] == [one.pk for one in orders]
    assert rows[1][action] == {"error": "Internal error"}
    assert [type(row[action]) for row in rows] == [int, dict, int]


# -- each refusal is understood ----------------------------------------------------------------------


@http
@pytest.mark.parametrize(
    ("changes", "text", "code"),
    [
        ({"service": "999999"}, "Incorrect service ID", ErrorCode.SERVICE_GONE),
        ({"service": "abc"}, "Incorrect service ID", ErrorCode.SERVICE_GONE),
        ({"service": ""}, "Incorrect service ID", ErrorCode.SERVICE_GONE),
        ({"link": "no link"}, "Incorrect link", ErrorCode.BAD_LINK),
        ({"link": ""}, "Incorrect link", ErrorCode.BAD_LINK),
        ({"quantity": ""}, "Incorrect quantity", ErrorCode.BAD_QUANTITY),
        ({"quantity": "1e3"}, "Incorrect quantity", ErrorCode.BAD_QUANTITY),
        ({"quantity": "9"}, "Quantity less than minimal 10", ErrorCode.BAD_QUANTITY),
        ({"quantity": "-100"}, "Quantity less than minimal 10", ErrorCode.BAD_QUANTITY),
        ({"quantity": "10001"}, "Quantity more than maximum 10000", ErrorCode.BAD_QUANTITY),
        ({"quantity": "9000"}, "Not enough funds on balance", ErrorCode.FUNDS),
        ({"runs": "x", "interval": "5"}, "Incorrect runs", ErrorCode.BAD_PARAMETER),
        ({"interval": "5"}, "Incorrect runs", ErrorCode.BAD_PARAMETER),
        ({"runs": "5"}, "Incorrect interval", ErrorCode.BAD_PARAMETER),
        ({"runs": "5", "interval": "0"}, "Incorrect interval", ErrorCode.BAD_PARAMETER),
        ({"request_id": "r" * 65}, "Incorrect request: request_id has at most 64 characters", ErrorCode.PROTOCOL),
    ],
)
def test_client_when_an_order_is_refused_then_it_gets_the_reason(connect, service, key, changes, text, code):
    with nothing_changes():
        outcome = connect(key).add(asked_for(service, **changes))
    assert isinstance(outcome, Refused)
    assert (outcome.text, outcome.code, outcome.evidence.http_status) == (text, code, 200)


@http
@pytest.mark.parametrize("service_type", [name for name, spec in SPECS.items() if spec.params])
def test_client_when_type_parameter_is_missing_then_error_names_it(connect, key, service_type):
    service = make.service(make.provider(), type=service_type, low=1)
    for param in SPECS[service_type].params:
        if param.only_if == ("type_of_traffic", "1"):
            continue
        with nothing_changes():
            outcome = connect(key).add(asked_for(service, **{param.name: " "}))
        assert isinstance(outcome, Refused)
        assert (outcome.text, outcome.code) == (f"Incorrect {param.name}", ErrorCode.BAD_PARAMETER)


@http
@pytest.mark.parametrize(("low", "high", "text"), [(4, 9, "less than minimal 4"), (1, 2, "more than maximum 2")])
def test_client_when_too_few_or_many_lines_then_quantity_error(connect, key, low, high, text):
    service = make.service(make.provider(), type="custom_comments", low=low, high=high)
    outcome = connect(key).add(asked_for(service))
    assert isinstance(outcome, Refused)
    assert (outcome.text, outcome.code) == (f"Quantity {text}", ErrorCode.BAD_QUANTITY)


@http
def test_client_when_key_is_not_allowed_then_operator_must_act(connect, customer, service, key):
    read_only = new_key(customer, is_read_only=True)
    elsewhere = new_key(customer, networks=["192.0.2.0/24"])
    spent = new_key(customer, daily_limit=make.micros("0.2"))
    revoked = new_key(customer)
    revoke_key(key=ApiKey.objects.latest("pk"))
    codes = {secret: connect(secret).add(asked_for(service)).code for secret in (read_only, elsewhere, spent, revoked)}
    assert codes == {
        read_only: ErrorCode.CREDENTIALS,
        elsewhere: ErrorCode.CREDENTIALS,
        spent: ErrorCode.FUNDS,
        revoked: ErrorCode.CREDENTIALS,
    }
    assert Order.objects.count() == 0
    assert connect(read_only).balance().amount == 10


def test_error_texts_when_read_by_a_client_then_each_has_its_class():
    """Every error text of the API; those for orders are tested above."""
    expected = {
        errors.BAD_KEY: ErrorCode.CREDENTIALS,
        errors.READ_ONLY: ErrorCode.CREDENTIALS,
        errors.WRONG_ADDRESS: ErrorCode.CREDENTIALS,
        errors.BAD_REQUEST: ErrorCode.PROTOCOL,
        errors.BAD_SERVICE: ErrorCode.SERVICE_GONE,
        errors.BAD_ORDER: ErrorCode.UNKNOWN_ORDER,
        errors.BAD_REFILL: ErrorCode.UNKNOWN_REFILL,
        errors.NO_FUNDS: ErrorCode.FUNDS,
        errors.LINK_BUSY: ErrorCode.LINK_BUSY,
        errors.INTERNAL: ErrorCode.UNRECOGNIZED,
        str(Throttled(retry_after=7)): ErrorCode.THROTTLED,
        "Order already completed": ErrorCode.CANCEL_REFUSED,
    }
    constants = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}
    assert constants <= set(expected)
    assert {text: classify_error(text) for text in expected} == expected


@pytest.mark.parametrize("reason", RefillRefusal)
def test_error_texts_when_a_refill_is_refused_then_a_client_knows(reason):
    assert classify_error(str(refused_refill(reason))) is ErrorCode.REFILL_REFUSED


@pytest.mark.parametrize("case", ["placing", "in_doubt", "never", "refused", "completed"])
def test_cancel_when_too_late_then_client_sees_cancel_refused(customer, service, key, case):
    order = make.accepted_order(customer, service)
    if case == "placing":
        Order.objects.update(submission="placing", lease_until=timezone.now(), claim_token="t", upstream_id=None)
    elif case == "in_doubt":
        Order.objects.update(submission="in_doubt", doubt_until=timezone.now(), upstream_id=None)
    elif case == "never":
        UpstreamService.objects.update(cancel=False)
    elif case == "refused":
        cancel.cancel_order(order=order, actor=customer)
        CancelRequest.objects.update(state="refused", finished_at=timezone.now())
    else:
        set_order_state(order, Status.COMPLETED)
    with nothing_changes():
        response = call_api(key, "cancel", order=order.pk)
    assert classify_error(response["error"]) is ErrorCode.CANCEL_REFUSED
    assert call_api(key, "cancel", orders=order.pk) == [{"order": order.pk, "cancel": response}]


def test_refill_when_refused_then_each_reason_is_returned(customer, service, key):
    order = make.accepted_order(customer, service)

    def refused():
        with nothing_changes():
            response = call_api(key, "refill", order=order.pk)
        assert call_api(key, "refill", orders=order.pk) == [{"order": order.pk, "refill": response}]
        return response["error"]

    assert refused() == "Order is not completed"
    set_order_state(order, Status.COMPLETED)
    UpstreamService.objects.update(refill=False)
    assert refused() == "Refill is disabled for this service"
    UpstreamService.objects.update(refill=True)
    call_api(key, "refill", order=order.pk)
    assert refused() == "Refill was requested less than 24 hours ago"
    Refill.objects.update(state="completed", asked_at=timezone.now(), finished_at=timezone.now())
    assert refused() == "Refill was requested less than 24 hours ago"
    Refill.objects.update(state="refused")
    assert refused() == "Order is not eligible for refill: it was refused less than an hour ago"


# -- exact shapes ------------------------------------------------------------------------------------


def test_shapes_when_one_or_many_are_read_then_as_in_the_protocol(customer, service, key):
    order = make.order(customer, service)
    status = {"charge": "0.25", "start_count": "0", "status": "Pending", "remains": "100", "currency": "USD"}
    bad = {"error": "Incorrect order ID"}
    assert call_api(key, "status", order=order.pk) == status
    assert call_api(key, "status", orders=f"{order.pk},999999,x") == {str(order.pk): status, "999999": bad, "x": bad}
    assert call_api(key, "status", order=999999) == bad
    assert call_api(key, "balance") == {"balance": "9.75", "currency": "USD"}
    set_order_state(order, Status.COMPLETED)
    refilled = call_api(key, "refill", order=order.pk)
    refill = Refill.objects.get()
    assert refilled == {"refill": str(refill.pk)}
    assert call_api(key, "refill_status", refill=refill.pk) == {"status": "Pending"}
    bad_refill = {"error": "Incorrect refill ID"}
    assert call_api(key, "refill_status", refill=999999) == bad_refill
    assert call_api(key, "refill_status", refills=f"{refill.pk},999999,x") == [
        {"refill": refill.pk, "status": "Pending"},
        {"refill": 999999, "status": bad_refill},
        {"refill": "x", "status": bad_refill},
    ]
    Refill.objects.all().delete()
    assert call_api(key, "refill", orders=f"{order.pk},999999") == [
        {"order": order.pk, "refill": Refill.objects.get().pk},
        {"order": 999999, "refill": bad},
    ]


def test_shapes_when_canceled_then_text_for_one_and_list_for_many(customer, service, key):
    queued, placed = make.order(customer, service), make.accepted_order(customer, service)
    third = make.order(customer, service)
    assert call_api(key, "cancel", order=queued.pk) == {"success": "The order is canceled."}
    assert call_api(key, "cancel", order=queued.pk) == {"success": "The order is canceled."}, "asked again"
    assert call_api(key, "cancel", order=placed.pk) == {"success": "The provider is asked to cancel the order."}
    assert call_api(key, "cancel", order=placed.pk) == {"success": "The provider is asked to cancel the order."}
    assert call_api(key, "cancel", orders=f"{third.pk},x") == [
        {"order": third.pk, "cancel": 1},
        {"order": "x", "cancel": {"error": "Incorrect order ID"}},
    ]
    assert CancelRequest.objects.count() == 1


def test_shapes_when_order_is_created_then_id_is_ours_and_integer(customer, service, key):
    response = add(key, service)
    assert response == {"order": Order.objects.get().pk}
    assert type(response["order"]) is int


@pytest.mark.parametrize("action", ["", "orders", "ADDD", "add\x00", "__class__", "answer"])
def test_action_when_missing_or_unknown_then_incorrect_request(key, action):
    assert call_api(key, action) == {"error": "Incorrect request"}


def test_action_when_spelled_otherwise_then_the_same(key):
    assert call_api(key, " Balance ") == {"balance": "10", "currency": "USD"}


@pytest.mark.parametrize("action", ["status", "cancel", "refill", "refill_status"])
def test_ids_when_there_are_none_then_the_error_names_them(key, action):
    name = "refill" if action == "refill_status" else "order"
    for params in ({}, {f"{name}s": ""}, {name: " , "}, {f"{name}s": "null"}):
        assert call_api(key, action, **params) == {"error": f"Incorrect {name} ID"}


# -- what it takes -----------------------------------------------------------------------------------


def count(key, action, **params):
    call_api(key, "balance")  # The first request stores the key's use.
    with statements() as found:
        call_api(key, action, **params)
    return len(found)


def test_statements_when_many_ids_are_read_then_as_few_as_for_one(customer, service, key):
    make.deposit(customer, "100")
    orders = [make.accepted_order(customer, service, upstream_id=str(number)) for number in range(100)]
    first = orders[0].pk
    for one in orders:
        set_order_state(one, Status.COMPLETED)
    refills = Refill.objects.bulk_create(Refill(order=one, provider=one.provider) for one in orders)
    everything = ",".join(str(one.pk) for one in orders)
    assert count(key, "status", order=first) == count(key, "status", orders=everything) == 2
    refill_ids = ",".join(str(one.pk) for one in refills)
    assert count(key, "refill_status", refill=refills[0].pk) == count(key, "refill_status", refills=refill_ids) == 2
    assert count(key, "balance") == 2


def test_statements_when_an_order_is_created_then_few(customer, service, key):
    wanted = {"service": service.pk, "link": LINK, "quantity": 100}
    assert count(key, "add", **wanted) <= 11


def test_balance_when_the_customer_has_credit_then_what_can_be_spent(customer):
    Wallet.objects.update(credit_limit=5_000_000)
    assert call_api(new_key(customer), "balance") == {"balance": "15", "currency": "USD"}
