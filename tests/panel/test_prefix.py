"""Panels that share a Redis or a host use different names, and a panel's own processes the same ones."""

from __future__ import annotations

import json
import os
import runpy
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.conf import settings as panel_settings
from django.contrib.messages import INFO
from django.core.cache import cache
from django.http import HttpResponse
from kombu import Connection, Consumer, Exchange, Queue, producers

from panel import task_settings
from panel.message_storage import PanelMessageStorage
from tests.commands import SECRETS, run_python

NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME", "MESSAGE_COOKIE_NAME")
DJANGOS_NAMES = ["sessionid", "csrftoken", "django_language", "messages"]
SHOW = f"""
import json
from django.conf import settings
from panel import task_settings
print(json.dumps({{
    "prefix": settings.PANEL_PREFIX,
    "cookies": [getattr(settings, name) for name in {NAMES}],
    "caches": {{name: cache.get("KEY_PREFIX", "") for name, cache in settings.CACHES.items()}},
    "broker": task_settings.broker_transport_options["global_keyprefix"],
}}))
"""
ON_REDIS = {"CACHE_URL": "rediscache://127.0.0.1:9/1", "CELERY_BROKER_URL": "redis://127.0.0.1:9/0"}


def shown(site_url: str, **environment: str) -> dict[str, Any]:
    run = run_python("-c", SHOW, **{**SECRETS, **ON_REDIS, "SITE_URL": site_url, **environment})
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.once
def test_names_when_panels_differ_by_address_then_nothing_is_shared():
    first, second = shown("http://localhost:8000"), shown("http://localhost:8001")
    assert first["prefix"].startswith("panel-") and first["prefix"] != second["prefix"]
    for one in (first, second):
        prefix = one["prefix"]
        assert one["cookies"] == [f"{name}-{prefix}" for name in DJANGOS_NAMES]
        assert one["caches"] == {"default": prefix, "price_lists": prefix, "release_before": ""}
        assert one["broker"] == f"{prefix}:"


@pytest.mark.once
def test_cookies_when_the_host_has_no_port_then_their_names_stay():
    """Nobody is signed out by the upgrade: no other panel can be at this host without a port."""
    found = shown("https://panel.example.com/")
    assert found["cookies"] == DJANGOS_NAMES
    assert found == shown("https://Panel.example.com")
    assert found["prefix"] != shown("https://panel.example.com", SECRET_KEY="y" * 60)["prefix"]


@pytest.mark.once
def test_names_when_the_prefix_is_set_then_all_begin_with_it():
    found = shown("https://panel.example.com", PANEL_PREFIX="shop-2")
    assert found["cookies"] == [f"{name}-shop-2" for name in DJANGOS_NAMES]
    assert found["caches"] == {"default": "shop-2", "price_lists": "shop-2", "release_before": ""}
    assert found["broker"] == "shop-2:"


def test_messages_when_kept_then_in_the_cookie_of_this_panel(rf):
    request, response = rf.get("/"), HttpResponse()
    request.session = {}
    messages = PanelMessageStorage(request)
    messages.add(INFO, "Saved.")
    messages.update(response)
    assert list(response.cookies) == [panel_settings.MESSAGE_COOKIE_NAME]


# -- two panels on one Redis ---------------------------------------------------------------------------


def broker_of(settings: Any, prefix: str) -> tuple[Connection, Queue]:
    """Return a connection and the queue of the panel with this prefix, as its processes have them."""
    settings.PANEL_PREFIX = prefix
    found = runpy.run_path(task_settings.__file__)
    [queue] = found["task_queues"]
    return Connection(os.environ["CELERY_BROKER_URL"], transport_options=found["broker_transport_options"]), queue


def drain(connection: Connection) -> None:
    """Read until nothing comes any more."""
    with suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.3)


def received(connection: Connection, queue: Queue) -> list[Any]:
    """Return the messages that wait in the queue, read as a worker does."""
    bodies: list[Any] = []
    with Consumer(connection, [queue], callbacks=[lambda body, _: bodies.append(body)], no_ack=queue.no_ack):
        drain(connection)
    return bodies


@pytest.mark.postgresql  # Redis is there with PostgreSQL only.
def test_hints_when_two_panels_share_a_redis_then_each_reads_its_own(settings):
    one, other = broker_of(settings, "test-one"), broker_of(settings, "test-other")
    with one[0] as connection, other[0]:
        with producers[connection].acquire() as producer:
            queue = one[1]
            producer.publish({"panel": "one"}, exchange=queue.exchange, routing_key="celery", declare=[queue])
        assert received(*other) == []
        assert received(*one) == [{"panel": "one"}]


@pytest.mark.postgresql  # Redis is there with PostgreSQL only.
def test_broadcast_when_two_panels_share_a_redis_then_one_hears_it(settings):
    """Workers tell each other who is there, on channels that Redis does not divide by database."""
    workers = broker_of(settings, "test-one")[0], broker_of(settings, "test-other")[0]
    everybody = Exchange("everybody", type="fanout")
    heard: list[list[Any]] = [[], []]
    with ExitStack() as closing:
        for number, connection in enumerate(workers):
            closing.enter_context(connection)
            queue = Queue(f"listens-{number}", everybody, no_ack=True, auto_delete=True)
            listen = {"callbacks": [lambda body, _, number=number: heard[number].append(body)], "no_ack": True}
            closing.enter_context(Consumer(connection, [queue], **listen))
            drain(connection)  # Subscribes.
        with producers[workers[0]].acquire() as producer:
            producer.publish({"panel": "one"}, exchange=everybody, declare=[everybody])
        for connection in workers:
            drain(connection)
    assert heard == [[{"panel": "one"}], []]


@pytest.mark.postgresql  # Redis is there with PostgreSQL only.
def test_cache_when_two_panels_share_a_redis_then_each_has_its_own(settings):
    for prefix in ("one", "other"):
        settings.CACHES = {name: {**one, "KEY_PREFIX": f"test-{prefix}"} for name, one in settings.CACHES.items()}
        assert cache.add("same", prefix, 60), prefix
    assert cache.get("same") == "other"
    cache.delete("same")
    settings.CACHES = {name: {**one, "KEY_PREFIX": "test-one"} for name, one in settings.CACHES.items()}
    assert cache.get("same") == "one"
    cache.delete("same")
