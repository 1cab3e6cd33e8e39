"""The served API answers anything in JSON as the protocol has it, and the books stay sound."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.service_types import SPECS
from orders.models import Order, Refill
from orders.states import Status
from panel.api.endpoint import READING, WRITING
from panel.api.errors import ApiError
from panel.api.params import read_whole, shown_id
from panel.lib.digits import whole_number
from panel.ops.invariants import find_breaches
from tests import make
from tests.api_calls import ADDRESS, LINK, new_key, set_order_state

pytestmark = pytest.mark.django_db

PARAMS = sorted({param.name for spec in SPECS.values() for param in spec.params})
NAMES = st.sampled_from(
    ["service", "link", "quantity", "runs", "interval", "request_id", "order", "orders", "refill", "refills", *PARAMS]
    + ["order[]", "orders[0]", "orders[x]", "refills[]", "price", "charge", "provider", "__proto__", "key", "action"]
)
HOSTILE = st.sampled_from(
    ["", " ", "null", "undefined", "0", "-1", "1", "2", "100", "07", "1.0", "1e9", "9" * 18, "9" * 19, "1" + "0" * 30]
    + [
        "NaN",
        "１００",
        "٣",
        "\x00",
        "a\x00b",
        "\ud800",
        "\u202e",
        "x" * 5_000,
        LINK,
        "@name",
        "' OR 1=1 --",
        "<script>",
    ]
    + ["1,2,3", ",".join(map(str, range(101))), "{}", "[1]", "%00", "../..", "\r\nX: y", "true", "None"]
)
VALUES = HOSTILE | st.text(max_size=30) | st.integers(-5, 300).map(str)
ACTIONS = st.sampled_from([*READING, *WRITING] * 4) | VALUES
JSON_VALUES = st.recursive(
    VALUES | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(
    ["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "multipart/form-data"]
    + ["text/plain", "", "a/b; charset=hex", "application/json; charset=utf-7", "; ; =", "application/x-json"]
)
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.API_RATE_PER_KEY = settings.API_RATE_PER_ADDRESS = "1000000/d"


@pytest.fixture
def shop(customer, other):
    """Return Alice's key, with a service of each type, and orders and refills of hers and Bob's."""
    provider = make.provider()
    services = [make.service(provider, external_id=str(n), type=name, low=1) for n, name in enumerate(SPECS)]
    for who in (customer, other):
        make.deposit(who, "50")
        make.accepted_order(who, services[0], upstream_id=f"9{who.pk}")
        done = set_order_state(make.order(who, services[0]), Status.COMPLETED)
        Refill.objects.create(order=done, provider=provider, state="completed")
        make.drip(who, services[0])
        make.order(who, services[0])
    return new_key(customer), [one.pk for one in services], list(Order.objects.values_list("pk", flat=True))


class Undone(Exception):
    pass


def check(answer: Any) -> None:
    """Assert HTTP 200, JSON, and one of the shapes of the protocol."""
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    text = answer.content.decode()
    assert "Traceback" not in text and "Internal error" not in text
    value = json.loads(text)
    if isinstance(value, dict) and "error" in value:
        assert set(value) == {"error"} and 0 < len(value["error"]) < 120
        return
    if isinstance(value, list):
        shapes = ({"refill", "status"}, {"order", "cancel"}, {"order", "refill"})
        assert all(set(row) in shapes or "rate" in row for row in value)
        return
    shapes = ({"order"}, {"refill"}, {"status"}, {"success"}, {"balance", "currency"})
    status = {"charge", "start_count", "status", "remains", "currency"}
    assert set(value) in (*shapes, status) or all(set(one) in ({"error"}, status) for one in value.values())


def try_out(other: Any, send: Any) -> None:
    """Send it, check everything, and roll back: each example begins with the same shop."""
    bobs = list(Order.objects.filter(customer=other).order_by("pk").values())
    balance = make.wallet(other).balance
    with pytest.raises(Undone), transaction.atomic():
        check(send())
        assert find_breaches() == []
        assert list(Order.objects.filter(customer=other).order_by("pk").values()) == bobs
        assert make.wallet(other).balance == balance
        raise Undone


def encoded(pairs: list[tuple[str, str]]) -> bytes:
    return urlencode(
        [(name.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")) for name, value in pairs]
    ).encode()


@MANY
@given(data=st.data())
def test_forms_when_arbitrary_then_answered_and_books_balanced(shop, other, data):
    key, services, orders = shop
    mine = st.sampled_from(services).map(str) | st.sampled_from(orders).map(str)
    wanted = data.draw(st.lists(st.tuples(NAMES, VALUES | mine), max_size=8))
    sensible = {
        "service": str(data.draw(st.sampled_from(services))),
        "link": LINK,
        "quantity": "10",
        "order": str(orders[0]),
    }
    first = data.draw(st.sampled_from([[], list(sensible.items())]))
    pairs = [*first, *wanted, ("action", data.draw(ACTIONS))]
    pairs = [pair for pair in pairs if pair[0] != "key"] + [("key", key)]
    in_address = data.draw(st.booleans())
    path = f"{ADDRESS}?{encoded(pairs).decode()}" if in_address else ADDRESS
    body = b"" if in_address else encoded(pairs)
    form = "application/x-www-form-urlencoded"
    try_out(other, lambda: Client().generic("POST", path, body, content_type=form))


@MANY
@given(data=st.data())
def test_json_when_it_holds_anything_then_an_answer_and_sound_books(shop, other, data):
    key, services, orders = shop
    mine = st.sampled_from(services) | st.sampled_from(orders) | st.lists(st.sampled_from(orders), max_size=3)
    sent = data.draw(st.dictionaries(NAMES | st.text(max_size=5), JSON_VALUES | mine, max_size=8))
    sensible = {"service": data.draw(st.sampled_from(services)), "link": LINK, "quantity": 10, "order": orders[0]}
    first = data.draw(st.sampled_from([{}, sensible]))
    body = json.dumps({**first, **sent, "key": key, "action": data.draw(ACTIONS)})
    try_out(other, lambda: Client().generic("POST", ADDRESS, body, content_type="application/json"))


@MANY
@given(
    body=st.binary(max_size=200),
    kind=TYPES,
    query=st.binary(max_size=50),
    method=st.sampled_from(["GET", "POST", "PUT"]),
)
@example(
    body=b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--x--',
    kind="multipart/form-data; boundary=x",
    query=b"",
    method="POST",
)
@example(body=b'{"a":' * 50_000, kind="application/json", query=b"", method="POST")
@example(body=b'{"key": ' + b"[" * 450 + b"]" * 450 + b"}", kind="application/json", query=b"", method="POST")
@example(body=b"a=1", kind="a/b; charset=latin-1", query=b"key=\xff&a=%ff", method="GET")
def test_bodies_when_they_are_any_bytes_then_an_answer(db, body, kind, query, method):
    # A query in an unknown character set fails in Django itself, before any view.
    query = b"" if "hex" in kind else query
    path = f"{ADDRESS}?{quote_from_bytes(query, safe='=&%')}"
    check(Client().generic(method, path, body, content_type=kind))


@given(text=st.text(max_size=40) | HOSTILE)
def test_numbers_when_written_in_any_way_then_a_column_can_hold_them(text):
    number = whole_number(text)
    assert number is None or 0 <= number < 2**63
    assert shown_id(text) == (text if number is None else number)
    try:
        whole = read_whole({"quantity": text}, "quantity")
    except ApiError as error:
        assert str(error).startswith("Incorrect quantity: ")
        return
    assert whole is None or (abs(whole) < 10**15 and str(abs(whole)) in text.replace(".", ""))
