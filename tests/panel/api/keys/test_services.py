"""API keys: created, found, limited, revoked; and their secret is stored nowhere."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orders.models import Order
from panel.accounts.models import ApiKey, User
from panel.api.key_use import LimitReached, find_key, may_be_used_from, note_use, spend
from panel.api.keys import services
from panel.api.keys.services import (
    MAX_KEYS,
    MAX_NETWORKS,
    BadNetwork,
    KeyMadeBefore,
    TooManyKeys,
    change_key,
    keys_in_use,
    make_key,
    read_networks,
    revoke_key,
)
from tests import make
from tests.logs import log_lines
from tests.threads import MAX_WAIT_SECONDS, in_threads

pytestmark = pytest.mark.django_db

THREADS = 8
BAD_KEY = {"error": "Invalid API key"}


def ask(secret: str, action: str = "balance", *, address: str = "192.0.2.7", **params: Any) -> Any:
    data = {"key": secret, "action": action, **params}
    return Client(REMOTE_ADDR=address).post(reverse("api_v2"), data).json()


def fresh(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_related("customer").get(pk=key.pk)


# -- made and found ----------------------------------------------------------------------------------


def test_key_when_created_then_only_its_digest_is_stored(customer):
    made = make_key(customer=customer, name="Shop")
    assert len(made.secret) == 64 and int(made.secret, 16)
    key = fresh(made.key)
    assert key.digest == hashlib.sha256(made.secret.encode()).hexdigest()
    assert key.ending == made.secret[-4:]
    assert (key.is_read_only, key.networks, key.daily_limit, key.revoked_at) == (False, [], None, None)
    assert find_key(secret=made.secret) == key
    assert made.secret != make_key(customer=customer, name="Shop").secret


def text_in_the_database() -> str:
    """Return every value of every row of every table."""
    rows = []
    for model in apps.get_models(include_auto_created=True):
        rows += list(model._base_manager.values_list())
    return "\n".join(map(str, rows))


@pytest.mark.parametrize("action", ["balance", "services", "add", "nonsense"])
def test_secret_when_created_and_used_then_no_column_holds_it(customer, service, action):
    made = make_key(customer=customer, name="Shop", daily_limit=make.micros("5"))
    order = {"service": service.pk, "link": "https://example.com/a", "quantity": 100, "request_id": "r1"}
    ask(made.secret, action, **(order if action == "add" else {}))
    text = text_in_the_database()
    assert made.key.digest in text  # The search does cover the keys.
    assert made.secret not in text


@pytest.mark.parametrize("case", ["unknown", "empty", "digest", "upper", "revoked", "inactive"])
def test_key_when_not_valid_then_all_cases_answer_alike(customer, case):
    made = make_key(customer=customer, name="Shop")
    secret = {"unknown": "0" * 64, "empty": "", "digest": made.key.digest, "upper": made.secret.upper()}.get(
        case, made.secret
    )
    if case == "revoked":
        revoke_key(key=made.key)
    if case == "inactive":
        User.objects.filter(pk=customer.pk).update(is_active=False)
    with CaptureQueriesContext(connection) as queries:
        answer = Client().post(reverse("api_v2"), {"key": secret, "action": "balance"})
    assert (answer.status_code, answer.json()) == (200, BAD_KEY)
    assert len(queries) == 1
    assert fresh(made.key).last_used_at is None


def test_key_when_valid_then_it_opens_only_its_customers_wallet(customer, other):
    make.deposit(other, "90")
    made = make_key(customer=customer, name="Shop")
    assert ask(f" {made.secret}\n") == {"balance": "10", "currency": "USD"}


def test_key_when_revoked_then_from_the_next_request_on_and_once(customer):
    made = make_key(customer=customer, name="Shop")
    assert "balance" in ask(made.secret)
    assert revoke_key(key=made.key)
    at = fresh(made.key).revoked_at
    assert ask(made.secret) == BAD_KEY
    assert not revoke_key(key=made.key)
    assert fresh(made.key).revoked_at == at
    assert not change_key(key=made.key, name="x", networks=[], is_read_only=False, daily_limit=None)
    assert fresh(made.key).name == "Shop"


@pytest.mark.parametrize("action", ["add", "cancel", "refill"])
def test_key_when_read_only_then_it_writes_nothing(customer, service, action):
    made = make_key(customer=customer, name="Shop", is_read_only=True)
    order = make.order(customer, service)
    before = list(Order.objects.values()), make.wallet(customer).balance
    params = {"service": service.pk, "link": "https://example.com/b", "quantity": 100, "order": order.pk}
    assert ask(made.secret, action, **params)["error"].startswith("API access disabled")
    assert (list(Order.objects.values()), make.wallet(customer).balance) == before
    assert ask(made.secret, "status", order=order.pk)["status"] == "Pending"
    change_key(key=made.key, name="Shop", networks=[], is_read_only=False, daily_limit=None)
    assert ask(made.secret, "cancel", order=order.pk) == {"success": "The order is canceled."}


# -- how many ----------------------------------------------------------------------------------------


def test_keys_when_at_the_limit_then_refused_until_one_is_revoked(customer, other):
    made = [make_key(customer=customer, name=str(number)) for number in range(MAX_KEYS)]
    with pytest.raises(TooManyKeys):
        make_key(customer=customer, name="more")
    make_key(customer=other, name="theirs")
    revoke_key(key=made[3].key)
    make_key(customer=customer, name="more")
    assert keys_in_use(customer=customer).count() == MAX_KEYS


def outcomes(results: list[Any]) -> list[str]:
    return sorted(type(one).__name__ for one in results)


@pytest.mark.django_db(transaction=True)
def test_keys_when_forms_are_sent_at_once_then_never_above_the_limit(customer):
    for number in range(MAX_KEYS - 1):
        make_key(customer=customer, name=str(number))
    results = in_threads(*[lambda: make_key(customer=customer, name="last")] * THREADS)
    assert outcomes(results) == ["NewKey"] + ["TooManyKeys"] * (THREADS - 1)
    assert keys_in_use(customer=customer).count() == MAX_KEYS


@pytest.mark.django_db(transaction=True)
def test_key_when_one_form_is_sent_many_times_at_once_then_one_key(customer):
    results = in_threads(*[lambda: make_key(customer=customer, name="Shop", request_key="f" * 32)] * THREADS)
    assert outcomes(results) == ["KeyMadeBefore"] * (THREADS - 1) + ["NewKey"]
    key = ApiKey.objects.get()
    assert {one.key for one in results} == {key}


@pytest.fixture
def no_lock(monkeypatch):
    """Guard off: the customer's row is not locked, and both count before either writes."""
    meeting = threading.Barrier(2)

    class Counted:
        def __init__(self, *, customer: Any) -> None:
            self.found = keys_in_use(customer=customer)

        def count(self) -> int:
            count = self.found.count()
            meeting.wait(MAX_WAIT_SECONDS)
            return count

    monkeypatch.setattr(services, "hold_account", lambda customer: transaction.atomic())
    monkeypatch.setattr(services, "keys_in_use", Counted)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_keys_when_the_customer_is_not_locked_then_above_the_limit(customer, no_lock):
    for number in range(MAX_KEYS - 1):
        ApiKey.objects.create(customer=customer, name=str(number), digest=str(number), ending="aaaa")
    in_threads(*[lambda: make_key(customer=customer, name="last")] * 2)
    assert keys_in_use(customer=customer).count() == MAX_KEYS + 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_key_when_the_customer_is_not_locked_then_still_one_per_form(customer, no_lock):
    results = in_threads(*[lambda: make_key(customer=customer, name="Shop", request_key="f" * 32)] * 2)
    assert sorted(isinstance(one, IntegrityError) for one in results) == [False, True]
    assert ApiKey.objects.count() == 1


def test_key_when_other_customer_or_no_request_key_then_new_key(customer, other):
    first = make_key(customer=customer, name="Shop", request_key="f" * 32)
    make_key(customer=other, name="Shop", request_key="f" * 32)
    make_key(customer=customer, name="Shop")
    make_key(customer=customer, name="Shop")
    with pytest.raises(KeyMadeBefore) as caught:
        make_key(customer=customer, name="Another", request_key="f" * 32)
    assert caught.value.key == first.key
    assert ApiKey.objects.count() == 4


# -- from where --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", []),
        (" \n\r\n ", []),
        ("192.0.2.7", ["192.0.2.7/32"]),
        ("192.0.2.7/24", ["192.0.2.0/24"]),
        ("192.0.2.0/255.255.255.0", ["192.0.2.0/24"]),
        ("192.0.2.7, 192.0.2.8\n192.0.2.7\t2001:DB8::/32", ["192.0.2.7/32", "192.0.2.8/32", "2001:db8::/32"]),
        ("2001:0db8:0:0::1", ["2001:db8::1/128"]),
        ("::ffff:192.0.2.7", ["192.0.2.7/32"]),
        ("::ffff:192.0.2.7/120", ["192.0.2.0/24"]),
        ("0.0.0.0/0 ::/0", ["0.0.0.0/0", "::/0"]),
    ],
)
def test_networks_when_typed_then_each_once_in_canonical_form(text, networks):
    assert read_networks(text) == networks
    assert read_networks("\n".join(networks)) == networks


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.7/33",
        "192.0.2.07",
        "192.0.2.7:80",
        "192.0.2.1-192.0.2.9",
        "192.0.2.*",
        "3221225985",
        "١٩٢.0.2.7",
        "fe80::1%eth0",
        "[::1]",
        "2001:db8::/129",
        "192.0.2.7/24" + "0" * 60,
        "'; DROP TABLE",
        "<script>",
    ],
)
def test_networks_when_one_is_invalid_then_named_and_none_is_stored(text):
    with pytest.raises(BadNetwork) as caught:
        read_networks(f"192.0.2.1\n{text}")
    assert "no address or network" in str(caught.value)
    assert text.split()[0][:60] in str(caught.value)


def test_networks_when_too_many_then_the_error_names_the_limit():
    many = "\n".join(f"192.0.2.{number}" for number in range(MAX_NETWORKS + 1))
    assert len(read_networks(many.rpartition("\n")[0])) == MAX_NETWORKS
    with pytest.raises(BadNetwork, match=str(MAX_NETWORKS)):
        read_networks(many)


@pytest.mark.parametrize(
    ("networks", "address", "may"),
    [
        ([], "203.0.113.9", True),
        ([], None, True),
        ([], "rubbish", True),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["192.0.2.7/24"], "192.0.2.255", True),
        (["192.0.2.7/24"], "192.0.3.0", False),
        (["192.0.2.7"], "::ffff:192.0.2.7", True),
        (["::ffff:192.0.2.7"], "192.0.2.7", True),
        (["::ffff:192.0.2.7"], "::ffff:192.0.2.7", True),
        (["2001:db8::/32"], "2001:db8:1::9", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["192.0.2.7", "2001:db8::/32"], "2001:db8::1", True),
        (["0.0.0.0/0", "::/0"], None, False),
        (["0.0.0.0/0", "::/0"], "", False),
        (["0.0.0.0/0", "::/0"], "rubbish", False),
    ],
)
def test_key_when_it_has_networks_then_valid_only_from_there(networks, address, may):
    key = ApiKey(networks=read_networks("\n".join(networks)))
    assert may_be_used_from(key=key, address=address) is may


def test_key_when_used_elsewhere_then_rejected_and_use_not_stored(customer):
    made = make_key(customer=customer, name="Shop", networks=read_networks("192.0.2.7"))
    refused = {"error": "API access disabled: this key may not be used from this address"}
    assert ask(made.secret, address="203.0.113.9") == refused
    assert ask(made.secret, address="") == refused  # A Unix socket.
    assert fresh(made.key).last_used_at is None
    assert "balance" in ask(made.secret, address="::ffff:192.0.2.7")
    assert fresh(made.key).last_address == "192.0.2.7"


def test_key_when_server_on_unix_socket_then_works_without_address(customer):
    made = make_key(customer=customer, name="Shop")
    assert "balance" in ask(made.secret, address="")
    key = fresh(made.key)
    assert key.last_used_at is not None and key.last_address is None


# -- how it was used ---------------------------------------------------------------------------------


def test_use_when_stored_then_at_most_once_a_minute(customer, monkeypatch):
    key = make_key(customer=customer, name="Shop").key
    start = timezone.now()

    def at(seconds: float, address: str, of: ApiKey) -> int:
        monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=seconds))
        with CaptureQueriesContext(connection) as queries:
            note_use(key=of, address=address)
        return len(queries)

    stale = fresh(key)
    assert at(0, "192.0.2.1", fresh(key)) == 1
    assert at(59, "192.0.2.2", fresh(key)) == 0
    at(59, "192.0.2.3", stale)  # Read before the first use was stored.
    noted = fresh(key)
    assert (noted.last_used_at, noted.last_address) == (start, "192.0.2.1")
    assert at(60, "fe80::1%eth0", fresh(key)) == 1
    noted = fresh(key)
    assert (noted.last_used_at, noted.last_address) == (start + timedelta(seconds=60), "fe80::1")


def test_use_when_the_key_was_revoked_meanwhile_then_not_stored(customer):
    key = make_key(customer=customer, name="Shop").key
    held = fresh(key)
    revoke_key(key=key)
    note_use(key=held, address="192.0.2.1")
    assert fresh(key).last_used_at is None


# -- how much ----------------------------------------------------------------------------------------


def test_limit_when_it_would_be_exceeded_then_nothing_is_spent(customer):
    key = make_key(customer=customer, name="Shop", daily_limit=1_000).key
    spend(key=key, charge=600)
    with pytest.raises(LimitReached):
        spend(key=key, charge=401)
    assert fresh(key).spent == 600
    spend(key=key, charge=400)
    with pytest.raises(LimitReached):
        spend(key=key, charge=1)
    assert fresh(key).spent_today == 1_000


def test_limit_when_there_is_none_then_any_charge_passes(customer):
    key = make_key(customer=customer, name="Shop").key
    spend(key=key, charge=10**15)
    spend(key=key, charge=10**15)


@pytest.mark.parametrize(
    ("zone", "turns_at"),
    [
        ("UTC", datetime(2026, 3, 2, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 3, 1, 11, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 2, 5, tzinfo=UTC)),
        # The clocks go forward in this night: the day begins at 23:00 UTC and is 23 hours long.
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),
    ],
)
def test_limit_when_day_begins_in_panel_time_zone_then_it_resets(customer, settings, monkeypatch, zone, turns_at):
    settings.TIME_ZONE = zone
    key = make_key(customer=customer, name="Shop", daily_limit=1_000).key
    monkeypatch.setattr(timezone, "now", lambda: turns_at - timedelta(seconds=1))
    spend(key=key, charge=900)
    with pytest.raises(LimitReached):
        spend(key=key, charge=900)
    assert fresh(key).spent_today == 900
    monkeypatch.setattr(timezone, "now", lambda: turns_at)
    assert fresh(key).spent_today == 0
    spend(key=key, charge=900)
    assert fresh(key).spent_today == 900


def spend_after_looking(key: ApiKey, charge: int, meeting: threading.Barrier) -> str:
    """Check, then add: the addition is atomic, but the check is not part of it."""
    enough = fresh(key).spent + charge <= (key.daily_limit or 0)
    meeting.wait(MAX_WAIT_SECONDS)
    if not enough:
        return "refused"
    ApiKey.objects.filter(pk=key.pk).update(spent=F("spent") + charge, spent_on=timezone.localdate())
    return "spent"


@pytest.mark.django_db(transaction=True)
def test_limit_when_only_checked_first_then_it_is_exceeded(customer):
    key = make_key(customer=customer, name="Shop", daily_limit=300).key
    meeting = threading.Barrier(THREADS)
    assert in_threads(*[lambda: spend_after_looking(key, 100, meeting)] * THREADS) == ["spent"] * THREADS
    assert fresh(key).spent == 800


@pytest.mark.django_db(transaction=True)
def test_limit_when_many_spend_at_once_then_never_exceeded(customer):
    key = make_key(customer=customer, name="Shop", daily_limit=350).key
    results = in_threads(*[lambda: spend(key=key, charge=100)] * THREADS)
    assert outcomes(results) == ["LimitReached"] * 5 + ["NoneType"] * 3
    assert fresh(key).spent == 300


def add_at_once(secret: str, service: Any) -> list[Any]:
    def add(number: int) -> Any:
        return ask(secret, "add", service=service.pk, link=f"https://example.com/{number}", quantity=100)

    return in_threads(*[lambda number=number: add(number) for number in range(THREADS)])


@pytest.mark.django_db(transaction=True)
def test_limit_when_many_at_once_then_obeyed_and_rejected_are_free(customer, service, invariants_hold):
    made = make_key(customer=customer, name="Shop", daily_limit=make.micros("0.80"))
    answers = add_at_once(made.secret, service)
    assert sum("order" in one for one in answers) == 3  # At $0.25 each.
    refused = {"error": "Not enough funds on balance: the daily limit of this key is reached"}
    assert [one for one in answers if "order" not in one] == [refused] * 5
    assert Order.objects.filter(api_key_ref=made.key.pk).count() == 3
    assert fresh(made.key).spent == make.micros("0.75")
    assert make.wallet(customer).balance == make.micros("9.25")


def test_limit_when_set_at_noon_then_the_morning_counts(customer, service):
    made = make_key(customer=customer, name="Shop")
    other = make_key(customer=customer, name="Another")
    order = {"service": service.pk, "link": "https://example.com/a", "quantity": 100}
    ask(made.secret, "add", **order)
    ask(made.secret, "add", **order, runs=2, interval=10)
    ask(other.secret, "add", **order)
    limits = {"name": "Shop", "networks": [], "is_read_only": False}
    assert change_key(key=made.key, daily_limit=make.micros("1.00"), **limits)
    assert fresh(made.key).spent == make.micros("0.75")
    assert "order" in ask(made.secret, "add", **order)
    assert "daily limit" in ask(made.secret, "add", **order)["error"]
    # Removing it and setting it again does not bypass it.
    change_key(key=made.key, daily_limit=None, **limits)
    change_key(key=made.key, daily_limit=make.micros("1.00"), **limits)
    assert "daily limit" in ask(made.secret, "add", **order)["error"]


def test_limit_when_a_server_clock_is_a_day_behind_then_not_reset(customer, monkeypatch):
    key = make_key(customer=customer, name="Shop", daily_limit=1_000).key
    today = timezone.localdate()
    spend(key=key, charge=900)
    monkeypatch.setattr(timezone, "localdate", lambda: today - timedelta(days=1))
    with pytest.raises(LimitReached):
        spend(key=key, charge=200)
    spend(key=key, charge=100)
    assert (fresh(key).spent, fresh(key).spent_on) == (1_000, today)


def test_limit_when_a_clock_was_far_ahead_then_the_key_still_works(customer):
    key = make_key(customer=customer, name="Shop", daily_limit=1_000).key
    ApiKey.objects.update(spent=1_000, spent_on=timezone.localdate() + timedelta(days=30))
    spend(key=key, charge=1_000)
    assert fresh(key).spent_on == timezone.localdate()


def test_limit_when_order_is_rolled_back_then_spending_is_too(customer):
    key = make_key(customer=customer, name="Shop", daily_limit=1_000).key
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        spend(key=key, charge=500)
        raise ZeroDivisionError
    assert fresh(key).spent == 0


def test_limit_when_a_request_is_repeated_then_it_counts_once(customer, service):
    made = make_key(customer=customer, name="Shop", daily_limit=make.micros("0.30"))
    order = {"service": service.pk, "link": "https://example.com/a", "quantity": 100, "request_id": "r1"}
    first = ask(made.secret, "add", **order)
    assert ask(made.secret, "add", **order) == first
    assert fresh(made.key).spent == make.micros("0.25")


@pytest.mark.parametrize("limit", [0, -1, 10**15 + 1])
def test_limit_when_it_is_impossible_then_the_database_refuses_it(customer, limit):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_key(customer=customer, name="Shop", daily_limit=limit)
    assert not ApiKey.objects.exists()


# -- the logs ----------------------------------------------------------------------------------------


@pytest.fixture
def crash(monkeypatch):
    """Make each request fail with an error that repeats what was sent."""

    def fail(*, caller: Any, params: Any) -> Any:
        raise RuntimeError(f"cannot read {dict(params)}")

    return lambda: monkeypatch.setattr("panel.api.endpoint.answer", fail)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("case", ["fine", "error", "unknown", "wrong address", "crash", "crash in JSON"])
def test_secret_when_sent_by_any_way_then_no_log_line_holds_it(customer, settings, crash, debug, case):
    settings.DEBUG = debug
    secret = make_key(customer=customer, name="Shop").secret
    if case == "unknown":
        ApiKey.objects.all().delete()
    if case.startswith("crash"):
        crash()
    client = Client(raise_request_exception=False)
    params = {"key": secret, "action": "nonsense" if case == "error" else "balance"}
    address = "/api/v3" if case == "wrong address" else reverse("api_v2")
    with log_lines() as stream:
        if case == "crash in JSON":
            answers = [client.post(address, json.dumps(params), content_type="application/json")]
        else:
            answers = [client.get(address, params), client.post(address, params)]
    statuses = {"wrong address": {404}, "crash": {500}, "crash in JSON": {500}}
    assert {answer.status_code for answer in answers} == statuses.get(case, {200})
    lines = stream.getvalue()
    assert secret not in lines and secret not in str([answer.content for answer in answers if case != "wrong address"])
    assert ("RuntimeError" in lines) is case.startswith("crash")


def test_secret_when_runserver_logs_a_failed_request_then_hidden(customer):
    secret = make_key(customer=customer, name="Shop").secret
    with log_lines() as stream:
        line = f"GET /api/v2?action=balance&key={secret} HTTP/1.1"
        logging.getLogger("django.server").error('"%s" %s %s', line, "500", "27")
    assert "action=balance" in stream.getvalue()
    assert secret not in stream.getvalue()


def test_keys_when_created_and_revoked_in_a_loop_then_it_ends(customer, monkeypatch):
    """Each sends a mail, to an address that may be somebody else's."""
    monkeypatch.setattr(services, "MAX_MADE_A_DAY", 2)
    for _ in range(2):
        revoke_key(key=make_key(customer=customer, name="Shop").key)
    with pytest.raises(TooManyKeys, match="within a day"):
        make_key(customer=customer, name="Shop")
    ApiKey.objects.update(created_at=timezone.now() - timedelta(days=1))
    make_key(customer=customer, name="Shop")
