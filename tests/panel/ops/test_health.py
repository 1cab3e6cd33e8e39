"""`/healthz`: the database, the cache, and late tasks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.pauses import PauseKind, pause_provider
from orders.common.stops import stop_sending
from orders.models import Order, OrderPoll
from orders.states import StopReason
from panel.alerts.models import Heartbeat, Process, WrongClock
from panel.alerts.services import record_heartbeat
from panel.lib import clock
from panel.ops.facts import TICKING
from panel.ops.watch.presence import arrive
from tests import make
from tests.commands import SECRETS, run_python


@pytest.mark.django_db
def test_healthz_when_all_works_then_ok(client):
    for task in TICKING:
        record_heartbeat(task=task)
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "cache": "ok", "tasks": "ok", "clocks": "ok", "sending": "ok"}
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_healthz_when_tasks_are_late_then_reported_and_still_200(client):
    assert client.get("/healthz").json()["tasks"] == f"late: {', '.join(TICKING)}"
    for task in TICKING:
        record_heartbeat(task=task)
    Heartbeat.objects.filter(task="poll_orders").update(beat_at=timezone.now() - timedelta(minutes=3))
    response = client.get("/healthz")
    assert (response.status_code, response.json()["tasks"]) == (200, "late: poll_orders")


@pytest.mark.django_db
def test_healthz_when_clocks_are_wrong_then_reported_and_still_200(client, monkeypatch):
    monkeypatch.setattr(clock, "measured", lambda max_age: clock.Measurement(300.0, 0.1, 0.0, 0.0))
    WrongClock.objects.create(machine="secret-name", offset=-10_400, measured_at=clock.now())
    WrongClock.objects.create(machine="long-gone", offset=300_000, measured_at=clock.now() - timedelta(minutes=3))
    response = client.get("/healthz")
    expected = "wrong: web is 5 min behind the database, a worker is 10 s ahead of the database"
    assert (response.status_code, response.json()["clocks"]) == (200, expected)


@pytest.mark.django_db
def test_healthz_when_sending_is_stopped_then_reported_and_still_200(client, provider):
    stop_sending(reason=StopReason.BALANCE, text="It is $5 too low.", provider_id=provider.pk)
    # Everybody may read this: nothing of a provider, and no figures.
    assert client.get("/healthz").json()["sending"] == "ok"
    stop_sending(reason=StopReason.RESTORED, text="A backup of 3 November was restored.")
    response = client.get("/healthz")
    assert (response.status_code, response.json()["sending"]) == (200, "stopped: restored")


@pytest.mark.django_db
def test_readyz_when_all_is_done_in_time_then_200(client):
    arrive(Process.Kind.WORKER)
    record_heartbeat(task="check_ledger")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (200, [])


@pytest.mark.django_db
def test_readyz_when_nothing_is_sent_followed_or_proven_then_503_with_each_reason(client, customer, service):
    other = Process(kind=Process.Kind.WORKER, machine="elsewhere", pid=1)
    other.started_at = other.seen_at = timezone.now() - timedelta(hours=5)
    other.save()
    sent, waiting = make.accepted_order(customer, service), make.order(customer, service)
    past = timezone.now() - timedelta(hours=5)
    Order.objects.filter(pk=waiting.pk).update(next_action_at=past)
    OrderPoll.objects.filter(order=sent).update(checked_at=past)
    Heartbeat.objects.update_or_create(task="check_ledger", defaults={"beat_at": past})
    response = client.get("/readyz")
    assert response.status_code == 503
    assert [reason.partition(" ago")[0] for reason in response.json()["reasons"]] == [
        "No worker runs.",
        "The oldest order that could be sent waits 5 hours.",
        "The oldest open order was checked 5 hours",
        "The books were proven 5 hours",
    ]


@pytest.mark.django_db
def test_readyz_when_the_provider_is_paused_then_its_orders_may_wait(client, customer, service):
    waiting = make.order(customer, service)
    Order.objects.filter(pk=waiting.pk).update(next_action_at=timezone.now() - timedelta(hours=5))
    pause_provider(provider=service.upstream.provider, kind=PauseKind.FUNDS, text="our balance there is used up")
    assert client.get("/readyz").json()["facts"]["sending"] == "No order waits."


@pytest.mark.django_db
def test_readyz_when_cron_runs_the_rounds_then_ready_by_their_heartbeats(client):
    for task in (*TICKING, "check_ledger"):
        record_heartbeat(task=task)
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_when_asked_often_then_counted_once(client, django_assert_max_num_queries):
    client.get("/readyz")
    with django_assert_max_num_queries(1):
        client.get("/readyz")


@pytest.mark.django_db
def test_healthz_when_cache_is_down_then_503(client, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}
    }
    response = client.get("/healthz")
    assert response.status_code == 503
    assert (response.json()["database"], response.json()["cache"]) == ("ok", "down")


@pytest.mark.processes
def test_healthz_when_database_is_down_then_503_without_details():
    script = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "response = Client().get('/healthz', headers={'host': 'localhost'})\n"
        "print(response.status_code, response.content.decode())"
    )
    run = run_python("-c", script, DATABASE_URL="postgres://user:hunter2@127.0.0.1:9/panel", **SECRETS)
    assert run.stdout.strip() == '503 {"database": "down", "cache": "ok"}', run.stderr
    assert "hunter2" not in run.stdout + run.stderr


@pytest.mark.django_db
def test_healthz_when_posted_to_then_405(client):
    assert client.post("/healthz").status_code == 405
