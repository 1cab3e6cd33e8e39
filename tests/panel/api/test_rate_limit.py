"""Rate limits of the served API: counted by key and by address, in the cache that all processes share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from django.test import Client

from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode, ProviderRefused
from catalog.upstream.results import Refused
from orders.models import Order
from panel.accounts.models import ApiKey
from panel.api.errors import Throttled
from panel.api.rate_limit import count_key
from tests import make
from tests.api_calls import ADDRESS, LINK, add, call_api, new_key
from tests.scenes import at_once, nothing_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

BAD_KEY = {"error": "Invalid API key"}
LIMITED = "limited"
ALICE, MALLORY = "192.0.2.7", "203.0.113.66"


@pytest.fixture(autouse=True)
def three_a_day(settings):
    # Per day: a minute could end during the test.
    settings.API_RATE_PER_KEY = "3/d"


@pytest.fixture
def service(db):
    return make.service(make.provider())


@pytest.fixture
def key(customer):
    return new_key(customer)


def ask_from(address, key, **headers):
    response = Client(REMOTE_ADDR=address, headers=headers).post(ADDRESS, {"key": key, "action": "balance"})
    assert response.status_code == 200
    return LIMITED if "Too many requests" in str(response.json()) else response.json()


def limited(answers):
    return sum(one == LIMITED or "Too many requests" in str(one) for one in answers)


# -- the error ---------------------------------------------------------------------------------------


def test_key_when_used_too_often_then_the_protocols_error_with_200(customer, service, key):
    assert limited([call_api(key, "balance"), call_api(key, "status", order=1), call_api(key, "nonsense")]) == 0
    with nothing_changes():
        response = add(key, service)
    assert response["error"].startswith("Too many requests: try again in ")
    assert 0 < int(response["error"].split()[-2]) <= 86_400


@pytest.mark.parametrize("with_429", [False, True])
def test_key_when_used_too_often_then_429_only_if_set(settings, key, with_429):
    settings.API_RATE_LIMIT_429 = with_429
    for _ in range(3):
        call_api(key, "balance")
    response = Client().post(ADDRESS, {"key": key, "action": "balance"})
    assert response.status_code == (429 if with_429 else 200)
    assert "Too many requests" in response.json()["error"]
    assert response["Content-Type"] == "application/json"
    if with_429:
        assert response["Retry-After"] in response.json()["error"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_429", [False, True])
def test_client_when_limited_then_it_waits_and_nothing_is_ordered(settings, live_server, customer, service, with_429):
    settings.API_RATE_PER_KEY, settings.API_RATE_LIMIT_429 = "1/d", with_429
    client = UpstreamClient(url=f"{live_server.url}/api/v2", api_key=new_key(customer), allow_private=True)
    assert client.balance().amount == 10
    outcome = client.add({"service": str(service.pk), "link": LINK, "quantity": "100"})
    assert isinstance(outcome, Refused) and outcome.code is ErrorCode.THROTTLED
    with pytest.raises(ProviderRefused) as refused:
        client.balance()
    assert refused.value.code is ErrorCode.THROTTLED
    assert Order.objects.count() == 0


# -- who is counted ----------------------------------------------------------------------------------


def test_key_when_another_is_used_up_then_it_still_works(customer, other, key):
    second, bobs = new_key(customer), new_key(other)
    assert [ask_from(ALICE, key) for _ in range(4)][-1] == LIMITED
    for one in (second, bobs):
        assert limited([ask_from(ALICE, one) for _ in range(3)]) == 0


def test_key_when_strangers_try_keys_then_it_is_not_used_up(customer, key):
    """Keys that are unknown, revoked, or used from the wrong address do not count for any key."""
    tied = new_key(customer, networks=[f"{ALICE}/32"])
    for number in range(5):
        assert ask_from(MALLORY, f"{number:064x}") == BAD_KEY
        assert ask_from(MALLORY, key[:-1]) == BAD_KEY
        assert "may not be used from this address" in str(ask_from(MALLORY, tied))
    for one in (key, tied):
        assert limited([ask_from(ALICE, one) for _ in range(3)]) == 0


def test_address_when_used_too_often_then_limited_with_any_key(settings, key):
    settings.API_RATE_PER_ADDRESS = "2/d"
    assert [ask_from(MALLORY, "x" * number) for number in (1, 2, 3)] == [BAD_KEY, BAD_KEY, LIMITED]
    assert ask_from(MALLORY, key) == LIMITED
    assert limited([ask_from(ALICE, key) for _ in range(2)]) == 0
    assert [ask_from(ALICE, key)] == [LIMITED]
    assert ApiKey.objects.get().last_address == ALICE


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"])
def test_address_when_a_header_claims_another_then_it_is_the_sockets(settings, header):
    settings.API_RATE_PER_ADDRESS = "2/d"
    answers = [ask_from(MALLORY, "x", **{header: f"198.51.100.{number}"}) for number in range(3)]
    assert answers == [BAD_KEY, BAD_KEY, LIMITED]


def test_address_when_behind_our_proxy_then_address_seen_by_proxy(settings):
    settings.API_RATE_PER_ADDRESS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = "2/d", 1
    forged = [f"198.51.100.{number}, {MALLORY}" for number in range(3)]
    assert [ask_from("127.0.0.1", "x", **{"X-Forwarded-For": one}) for one in forged] == [BAD_KEY, BAD_KEY, LIMITED]
    assert ask_from("127.0.0.1", "x", **{"X-Forwarded-For": f"198.51.100.1, {ALICE}"}) == BAD_KEY


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
    ],
)
def test_address_when_one_machine_has_many_then_they_count_as_one(settings, first, second, is_one):
    settings.API_RATE_PER_ADDRESS = "1/d"
    assert ask_from(first, "x") == BAD_KEY
    assert ask_from(second, "x") == (LIMITED if is_one else BAD_KEY)


def test_address_when_the_socket_has_none_then_served_and_counted(settings, key):
    settings.API_RATE_PER_ADDRESS = "2/d"
    assert limited([ask_from("", key) for _ in range(3)]) == 1


# -- the shared cache --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_count_when_eight_threads_send_at_once_then_three_answered(customer):
    key = new_key(customer)
    assert limited(at_once(8, lambda _: call_api(key, "balance"))) == 5


@pytest.mark.django_db(transaction=True)
def test_count_when_read_and_written_back_then_more_are_answered(customer, monkeypatch):
    """Guard off: a cache that reads the count and writes it back."""
    key = new_key(customer)
    call_api(key, "balance")
    all_have_read = threading.Barrier(8)
    backend = type(caches["default"])

    def naive(self, name, delta=1, version=None):
        count = self.get(name, version=version) or 0
        all_have_read.wait(60)
        self.set(name, count + delta, version=version)
        return count + delta

    monkeypatch.setattr("panel.api.endpoint.count_address", lambda address: None)
    monkeypatch.setattr(backend, "incr", naive)
    assert limited(at_once(8, lambda _: call_api(key, "balance"))) == 0


_IN_A_PROCESS = """
import sys, django
from django.conf import settings
django.setup()
settings.CACHES["default"]["KEY_PREFIX"] = sys.argv[1]
settings.API_RATE_PER_KEY = "3/d"
from panel.api.rate_limit import count_key
count_key(5)
count_key(5)
"""


@pytest.mark.postgresql  # The shared cache exists with PostgreSQL only.
def test_count_when_another_process_counts_then_it_is_shared(settings):
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-c", _IN_A_PROCESS, prefix], check=True, env=env, timeout=180)
    count_key(5)
    with pytest.raises(Throttled):
        count_key(5)


@pytest.mark.parametrize("broken", ["refuses", "forgets"])
def test_cache_when_down_then_orders_go_through_with_a_warning(settings, monkeypatch, service, key, broken):
    if broken == "refuses":
        down = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
        settings.CACHES = {"default": down}
    else:
        monkeypatch.setattr(type(caches["default"]), "add", lambda *args, **kwargs: False)
        monkeypatch.setattr(type(caches["default"]), "incr", lambda *args, **kwargs: None)
    warnings = []
    log = SimpleNamespace(warning=lambda event, **values: warnings.append(event))
    monkeypatch.setattr("panel.lib.request_counts.log", log)
    assert [set(add(key, service)) for _ in range(5)] == [{"order"}] * 5
    assert Counter(warnings) == {"requests not counted": 10}
    assert [row["service"] for row in call_api(key, "services")] == [service.pk]


def test_keys_when_the_cache_holds_counts_then_no_secret_is_in_it(settings, key, monkeypatch):
    seen = []
    backend = type(caches["default"])
    original = backend.add

    def add_to_cache(self, name, value, *args, **kwargs):
        seen.append(json.dumps([name, value]))
        return original(self, name, value, *args, **kwargs)

    monkeypatch.setattr(backend, "add", add_to_cache)
    call_api(key, "balance")
    assert len(seen) == 2 and key not in str(seen)
