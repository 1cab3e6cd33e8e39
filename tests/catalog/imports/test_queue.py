"""The queue of imports: one queued per provider, one worker for each, and no import stops another."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.imports import queue
from catalog.imports import run as import_run
from catalog.imports.queue import expire_runs, request_all, request_import, run_due_imports
from catalog.imports.run import RunLost, execute_run, import_services
from catalog.models import CatalogChange, Category, Provider, Service, SyncRun, UpstreamService
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.selectors import services_on_sale
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import at_once
from tests.threads import in_background, in_threads

pytestmark = pytest.mark.django_db


def list_ten(upstream, **changes):
    """Make the provider list ten services, 101 to 110, at $2.00."""
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    for service_id in range(101, 111):
        upstream.set_service(service_id, **{"name": f"Service {service_id}", "rate": "2.00", **changes})


def catalog_state():
    return [list(model.objects.order_by("pk").values()) for model in (UpstreamService, Service, Category)]


def orderable():
    return set(services_on_sale().values_list("upstream__external_id", flat=True))


def alert(provider, what="sync"):
    return Alert.objects.filter(cause=f"provider:{provider.pk}:{what}", resolved_at=None)


def wait_until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


# -- the queue ---------------------------------------------------------------------------------------


def test_request_when_made_then_queued_and_run_by_the_worker(upstream, provider, staff):
    run = request_import(provider=provider, actor=staff)
    assert (run.outcome, run.phase, run.actor, upstream.requests) == ("queued", "waiting", staff, [])
    assert run_due_imports() == 1
    run.refresh_from_db()
    assert (run.outcome, run.phase, run.listed, run.added) == ("applied", "done", 60, 60)
    assert run.requested_at <= run.started_at <= run.finished_at
    assert run_due_imports() == 0


def test_request_when_one_is_queued_then_returns_it(upstream, provider):
    run = request_import(provider=provider)
    assert request_import(provider=provider).pk == run.pk
    assert SyncRun.objects.count() == 1


def test_request_when_forced_and_one_is_queued_then_it_is_forced(upstream, provider, staff):
    run = request_import(provider=provider)
    forced = request_import(provider=provider, actor=staff, force=True)
    assert (forced.pk, forced.force, forced.actor) == (run.pk, True, staff)
    # The schedule does not reset it.
    assert request_all() == 1
    run.refresh_from_db()
    assert (run.force, run.actor) == (True, staff)


def test_request_when_run_not_refused_then_error_and_none_queued(upstream, provider):
    run = import_services(provider=provider)
    with pytest.raises(ValueError, match="refused"):
        request_import(provider=provider, accepts=run)
    SyncRun.objects.update(outcome="refused")
    run.refresh_from_db()
    with pytest.raises(ValueError, match="of this provider"):
        request_import(provider=make.provider(name="Another"), accepts=run)
    assert not SyncRun.objects.filter(outcome="queued").exists()


@pytest.mark.django_db(transaction=True)
def test_request_when_made_by_many_at_once_then_one_is_queued(provider):
    runs = at_once(4, lambda _: request_import(provider=Provider.objects.get()))
    assert {run.pk for run in runs} == {SyncRun.objects.get().pk}


def test_request_all_when_some_are_off_then_only_active_providers(provider):
    make.provider(name="Off", is_active=False)
    assert request_all() == 1
    assert SyncRun.objects.get().provider == provider


@pytest.mark.django_db(transaction=True)
def test_run_when_two_workers_claim_then_each_import_runs_once(upstream, provider):
    gate = threading.Event()
    upstream.inject(faults.Fault(action="services", gate=gate))
    request_import(provider=provider)
    slow = in_background(run_due_imports)
    wait_until(lambda: upstream.requests_of("services"))
    assert run_due_imports() == 0
    gate.set()
    assert slow() == 1
    assert len(upstream.requests_of("services")) == 1

    for name in ("B", "C"):
        make.provider(name=name, url=upstream.url, api_key=upstream.key)
    upstream.clear_requests()
    request_all()
    assert sum(in_threads(*[run_due_imports] * 4)) == 3
    assert len(upstream.requests_of("services")) == 3
    assert not SyncRun.objects.exclude(outcome="applied").exists()


def test_claim_when_another_worker_claimed_first_then_skipped(provider, monkeypatch):
    request_import(provider=provider)
    moments = []

    class ClaimingFirst:
        """Lets another worker claim the run after this worker has read it."""

        @staticmethod
        def now():
            moments.append(timezone.now())
            if len(moments) == 2:
                SyncRun.objects.update(outcome="running", started_at=moments[0], lease_until=moments[0])
            return moments[-1]

    monkeypatch.setattr(queue, "clock", ClaimingFirst)
    assert queue._claim_next() is None
    assert len(moments) == 2
    assert SyncRun.objects.get().lease_until == moments[0]


@pytest.mark.django_db(transaction=True)
def test_run_when_provider_is_being_imported_then_next_import_waits(upstream, provider):
    gate = threading.Event()
    upstream.inject(faults.Fault(action="services", gate=gate))
    request_import(provider=provider)
    slow = in_background(run_due_imports)
    wait_until(lambda: upstream.requests_of("services"))
    second = request_import(provider=Provider.objects.get())
    assert run_due_imports() == 0
    gate.set()
    # The worker of the first import takes it next.
    assert slow() == 2
    second.refresh_from_db()
    assert second.outcome == "applied"


def test_run_when_max_imports_are_running_then_no_more_are_claimed(provider):
    for number in range(queue.MAX_AT_ONCE):
        other = make.provider(name=f"Slow {number}")
        SyncRun.objects.create(provider=other, lease_until=timezone.now() + timedelta(minutes=1))
    request_import(provider=provider)
    assert run_due_imports() == 0
    SyncRun.objects.filter(provider__name="Slow 0").update(outcome="applied")
    assert run_due_imports() == 1


# -- failures ----------------------------------------------------------------------------------------


def test_run_when_one_import_breaks_then_failed_and_others_applied(upstream, provider, monkeypatch):
    broken = make.provider(name="Broken", url=upstream.url, api_key=upstream.key)
    original = import_run.plan_import

    def break_import(**values):
        if SyncRun.objects.filter(provider=broken, outcome="running").exists():
            raise RuntimeError("a mistake of ours")
        return original(**values)

    monkeypatch.setattr(import_run, "plan_import", break_import)
    for one in (broken, provider):
        request_import(provider=one)
    assert run_due_imports() == 2
    outcomes = dict(SyncRun.objects.values_list("provider__name", "outcome"))
    assert outcomes == {"Broken": "failed", "Upstream": "applied"}
    assert "RuntimeError" in SyncRun.objects.get(provider=broken).reason
    assert "a mistake of ours" not in SyncRun.objects.get(provider=broken).reason
    assert alert(broken).get().count == 1
    assert not alert(provider).exists()
    assert Service.objects.count() == 60


def test_run_when_worker_killed_then_expires_and_next_is_applied(upstream, provider):
    list_ten(upstream)
    request_import(provider=provider)
    dead = queue._claim_next()
    assert dead is not None
    request_import(provider=provider)
    # Until its lease ends, it is left alone.
    assert (expire_runs(), run_due_imports()) == (0, 0)
    SyncRun.objects.filter(pk=dead.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run_due_imports() == 1
    dead.refresh_from_db()
    assert (dead.outcome, dead.reason) == ("failed", queue.STOPPED)
    assert dead.finished_at is not None
    assert Service.objects.count() == 10
    # The second import was applied: the alert is resolved.
    assert not alert(provider).exists()


def test_run_when_ended_by_another_worker_then_writes_nothing_more(upstream, provider, monkeypatch):
    list_ten(upstream)
    request_import(provider=provider)
    slow = queue._claim_next()
    original = import_run.store_plan

    def expire_first(**values):
        original(**values)
        assert Service.objects.count() == 10
        SyncRun.objects.filter(pk=slow.pk).update(outcome="failed", reason=queue.STOPPED)

    monkeypatch.setattr(import_run, "store_plan", expire_first)
    # As if the process had hung between two statements. The rollback also reverts the test's own update.
    execute_run(slow)
    assert Service.objects.count() == UpstreamService.objects.count() == 0
    provider.refresh_from_db()
    assert provider.last_synced_at is None


class Killed(BaseException):
    """The process ends here."""


def test_run_when_killed_anywhere_then_atomic_and_next_is_applied(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    upstream.set_service(101, rate="3", name="Else")
    upstream.set_service(102, listed=False)
    upstream.set_service(111, rate="1", category="A new shelf")
    before = catalog_state()
    kills = 0
    while True:
        request_import(provider=provider)
        run = queue._claim_next()
        with killed_at(kills + 1) as struck:
            execute_run(run)
        run.refresh_from_db()
        if not struck or run.outcome == "applied":
            break
        kills += 1
        assert run.outcome == "running"
        assert catalog_state() == before
        assert not CatalogChange.objects.exists()
        SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert expire_runs() == 1
    assert kills > 20
    assert (run.added, run.changed, run.vanished) == (1, 1, 1)
    assert CatalogChange.objects.count() == 4
    assert Service.objects.get(upstream__external_id="101").price == 3_750_000


@contextmanager
def killed_at(place):
    """Kill the process at the statement of this number. The yielded list is empty if it was never reached."""
    struck, seen = [], []

    def kill(execute, sql, params, many, context):
        seen.append(sql)
        if len(seen) == place:
            struck.append(sql)
            raise Killed
        return execute(sql, params, many, context)

    with suppress(Killed), connection.execute_wrapper(kill):
        yield struck


def test_enter_when_run_has_ended_then_run_lost(provider):
    run = SyncRun.objects.create(provider=provider, outcome="failed")
    with pytest.raises(RunLost):
        import_run._enter(run, "writing")
    run.refresh_from_db()
    assert (run.outcome, run.phase) == ("failed", "asking")


@pytest.mark.django_db(transaction=True)
def test_run_when_observed_then_each_phase_committed_before_start(upstream, provider, monkeypatch):
    seen = []

    def see_committed():
        seen.append(SyncRun.objects.values_list("outcome", "phase", "listed").get())

    def seeing_before(path, original):
        def wrapped(*args, **values):
            in_background(see_committed)()
            return original(*args, **values)

        monkeypatch.setattr(import_run, path, wrapped)

    for name in ("client_for", "plan_import", "_apply"):
        seeing_before(name, getattr(import_run, name))
    request_import(provider=provider)
    see_committed()
    assert run_due_imports() == 1
    see_committed()
    assert seen == [
        ("queued", "waiting", 0),
        ("running", "asking", 0),
        ("running", "comparing", 60),
        ("running", "writing", 60),
        ("applied", "done", 60),
    ]


# -- the currency ------------------------------------------------------------------------------------

IN_LIRA = faults.reply(body=b'{"balance": "100.5", "currency": "TRY"}', action="balance", times=None)


def test_import_when_currency_differs_then_refused_with_one_alert(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    before = catalog_state()
    upstream.inject(IN_LIRA)
    upstream.set_service(101, rate="3")
    for count in (1, 2):
        run = import_services(provider=provider)
        assert run.outcome == "refused"
        assert run.reason.startswith("It bills in TRY but is set up with USD.")
        assert run.grounds["currency"] == "TRY"
        assert alert(provider).get().count == count
    assert catalog_state() == before
    # With that currency set up, the list is imported and the alerts are resolved.
    Provider.objects.update(currency="TRY", exchange_rate=30_000_000_000)
    provider.refresh_from_db()
    assert import_services(provider=provider).outcome == "applied"
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize(
    "fault",
    [
        faults.reply(body=b'{"error": "Unknown action"}', action="balance", times=None),
        faults.reply(body=b'{"balance": "3"}', action="balance", times=None),
        faults.reply(body=b"<html>", action="balance", times=None),
        faults.reply(body=b'{"balance": "1e300", "currency": "usd"}', action="balance", times=None),
        faults.drop_before("balance", times=None),
    ],
    ids=["refused", "no currency", "html", "no amount", "dropped"],
)
def test_import_when_balance_states_no_other_currency_then_applied(upstream, provider, fault):
    upstream.inject(fault)
    assert import_services(provider=provider).outcome == "applied"
    assert Service.objects.count() == 60


def test_import_when_other_currency_was_accepted_then_applied(upstream, provider):
    list_ten(upstream)
    upstream.inject(IN_LIRA)
    refused = import_services(provider=provider)
    assert (refused.outcome, Service.objects.count()) == ("refused", 0)
    run = request_import(provider=provider, accepts=refused)
    run_due_imports()
    run.refresh_from_db()
    assert run.outcome == "applied"
    upstream.clear_faults()
    upstream.inject(faults.reply(body=b'{"balance": "1", "currency": "INR"}', action="balance", times=None))
    again = request_import(provider=provider, accepts=refused)
    run_due_imports()
    again.refresh_from_db()
    assert (again.outcome, again.grounds["currency"]) == ("refused", "INR")


# -- accepting a refused import ----------------------------------------------------------------------


def lose(upstream, *numbers):
    for number in numbers:
        upstream.set_service(number, listed=False)


def refused_for_lost(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    lose(upstream, 101, 102, 103, 104)
    run = import_services(provider=provider)
    assert run.outcome == "refused"
    return run


def accept(provider, refused):
    run = request_import(provider=provider, accepts=refused)
    assert run_due_imports() == 1
    run.refresh_from_db()
    return run


def test_refused_run_when_read_then_has_its_grounds(upstream, provider):
    run = refused_for_lost(upstream, provider)
    run.refresh_from_db()
    assert (run.phase, run.listed, run.finished_at is None) == ("comparing", 6, False)
    assert run.grounds == {
        "gone": ["101", "102", "103", "104"],
        "rates": {},
        "currency": "",
        "examples": {"gone": [[f"{n}", f"Service {n}"] for n in range(101, 105)], "rates": []},
    }
    for number in range(105, 111):
        upstream.set_service(number, rate="200")
    run = import_services(provider=provider)
    assert run.grounds["rates"] == {f"{n}": 200_000_000 for n in range(105, 111)}
    assert run.grounds["examples"]["rates"][0] == ["105", "Service 105", 2_000_000, 200_000_000]
    assert "lacks 4 of the 10" in run.reason and "6 of 6 rates" in run.reason


def test_accept_when_list_is_no_worse_then_applied_and_alert_ends(upstream, provider):
    refused = refused_for_lost(upstream, provider)
    assert alert(provider).exists()
    # A returned service makes the list better, and a small rise is no reason to refuse it.
    upstream.set_service(104, listed=True)
    upstream.set_service(110, rate="2.40")
    run = accept(provider, refused)
    assert (run.outcome, run.vanished, run.changed) == ("applied", 3, 1)
    assert orderable() == {str(n) for n in range(104, 111)}
    assert not alert(provider).exists()


def test_accept_when_list_lost_more_then_refused_with_new_grounds(upstream, provider):
    refused = refused_for_lost(upstream, provider)
    before = catalog_state()
    lose(upstream, 105)
    run = accept(provider, refused)
    assert run.outcome == "refused"
    assert run.reason == "The list changed since you looked at it. The list lacks 5 of the 10 services on sale."
    assert run.grounds["gone"] == ["101", "102", "103", "104", "105"]
    assert catalog_state() == before
    # Accepted again, it is applied.
    assert accept(provider, run).outcome == "applied"
    assert orderable() == {str(n) for n in range(106, 111)}


def test_accept_when_other_services_are_gone_then_refused(upstream, provider):
    refused = refused_for_lost(upstream, provider)
    upstream.set_service(101, listed=True)
    lose(upstream, 110)
    assert accept(provider, refused).outcome == "refused"
    assert len(orderable()) == 10


def test_accept_when_rates_leapt_to_other_values_then_refused(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    for number in range(101, 111):
        upstream.set_service(number, rate="166")
    refused = import_services(provider=provider)
    before = catalog_state()
    upstream.set_service(101, rate="167")
    run = accept(provider, refused)
    assert (run.outcome, run.grounds["rates"]["101"]) == ("refused", 167_000_000)
    assert catalog_state() == before
    assert accept(provider, run).outcome == "applied"
    assert set(Service.objects.values_list("cost", flat=True)) == {166_000_000, 167_000_000}


@pytest.mark.parametrize("how", ["accepted", "forced"])
def test_empty_list_when_accepted_or_forced_then_still_refused(upstream, provider, how):
    refused = refused_for_lost(upstream, provider)
    before = catalog_state()
    lose(upstream, *range(101, 111))
    run = accept(provider, refused) if how == "accepted" else import_services(provider=provider, force=True)
    assert (run.outcome, "The list is empty." in run.reason) == ("refused", True)
    assert catalog_state() == before


def test_grounds_when_thousands_are_gone_then_examples_are_limited(provider):
    with SandboxServer(key="k", speed=0, services=250) as large:
        one = make.provider(url=large.url, api_key="k", name="Large")
        import_services(provider=one)
        for number in range(2, 251):
            large.set_service(number, listed=False)
        run = import_services(provider=one)
    assert run.outcome == "refused"
    assert len(run.grounds["gone"]) == Service.objects.filter(is_on_sale=True).count() - 1
    assert len(run.grounds["examples"]["gone"]) == 100


def test_skipped_rows_when_hundreds_then_all_are_counted(upstream, provider):
    list_ten(upstream)
    for number in range(1_000, 1_300):
        upstream.set_service(number, row={"rate": "NaN"})
    run = import_services(provider=provider)
    assert (run.outcome, run.skipped_count, len(run.skipped)) == ("applied", 300, 200)


# -- concurrency -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_import_when_margin_also_changes_then_prices_reflect_both(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    for number in range(101, 111):
        upstream.set_service(number, rate="3")

    def change():
        edits = [Edit("provider", (provider.pk,), {"margin_bp": 10_000})]
        change_prices(edits=edits, source="provider", summary="100%")

    for result in in_threads(lambda: import_services(provider=Provider.objects.get()), change):
        assert not isinstance(result, BaseException), result
    assert set(Service.objects.values_list("cost", "price")) == {(3_000_000, 6_000_000)}


@pytest.mark.django_db(transaction=True)
def test_import_when_older_list_applied_first_then_compares_again(upstream, provider, monkeypatch):
    list_ten(upstream)
    original, compared = import_run.plan_import, []

    def apply_older_first(**values):
        plan = original(**values)
        compared.append(len(plan.new))
        if len(compared) == 1:
            # It started before this run, with the same list, and is applied between this run's comparing and writing.
            older = SyncRun.objects.create(provider=provider, started_at=timezone.now() - timedelta(minutes=1))
            execute_run(older)
            assert older.outcome == "applied"
        return plan

    monkeypatch.setattr(import_run, "plan_import", apply_older_first)
    run = import_services(provider=provider)
    assert compared == [10, 10, 0]
    assert (run.outcome, run.added) == ("applied", 0)
    assert Service.objects.count() == UpstreamService.objects.count() == 10


def test_queue_when_empty_then_few_statements(provider):
    with CaptureQueriesContext(connection) as queries:
        assert run_due_imports() == 0
    assert len(queries) <= 3
