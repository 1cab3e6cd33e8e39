"""Page of a provider: facts about its health, who may set what, and the hidden key."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter

from catalog.imports.queue import run_due_imports
from catalog.models import (
    CatalogChange,
    PriceChange,
    Provider,
    ProviderFigures,
    Service,
    SyncRun,
    UpstreamService,
)
from catalog.prices.changes import apply_change
from catalog.provider_health import DANGER, GOOD, INFO, WARNING, last_import, provider_facts, provider_state
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib.crypto import decrypt
from panel.lib.money import EXCHANGE_ONE
from tests import make
from tests.admin_calls import answer_question

pytestmark = [pytest.mark.django_db, pytest.mark.once]

KEY = "a-new-key-98765"


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


def with_role(role: str) -> Client:
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def page_of(provider: Provider) -> str:
    return reverse("admin:catalog_provider_change", args=[provider.pk])


def action(provider: Provider, name: str) -> str:
    return reverse(f"admin:catalog_provider_{name}", args=[provider.pk])


def form_of(client: Client, provider: Provider) -> dict[str, Any]:
    """Return what a browser would send of the provider's page, with the values it showed."""
    form = client.get(page_of(provider)).context["adminform"].form
    data: dict[str, Any] = {}
    for field in form:
        value = field.value()
        shown = "" if value is None or value is False else "on" if value is True else value
        if shown != "" or not isinstance(value, bool):
            data[field.html_name] = shown
        if field.field.show_hidden_initial:
            data[field.html_initial_name] = "" if value is None else value
    return data


def row(provider: Provider) -> dict[str, Any]:
    return Provider.objects.filter(pk=provider.pk).values().get()


def text_of(client: Client, provider: Provider) -> str:
    return client.get(page_of(provider)).content.decode()


# -- saving ------------------------------------------------------------------------------------------


def test_form_when_panel_wrote_meanwhile_then_nothing_is_overwritten(staff_client, provider):
    """Saving an outdated form once overwrote the polling lane, the pause and the balance."""
    data = form_of(staff_client, provider)
    now = timezone.now()
    meanwhile = {
        "polling_until": now,
        "polling_failures": 3,
        "promise_unchecked": 77,
        "balance": 5_000_000,
        "balance_checked_at": now,
        "last_synced_at": now,
        "pause_count": 2,
        "paused_until": now,
        "pause_reason": "no money",
        "request_id_parameter": "from_elsewhere",
        "is_active": False,
    }
    Provider.objects.filter(pk=provider.pk).update(**meanwhile)
    assert staff_client.post(page_of(provider), {**data, "name": "Renamed"}).status_code == 302
    after = row(provider)
    assert after["name"] == "Renamed"
    assert {name: after[name] for name in meanwhile} == meanwhile


def test_form_when_panel_writes_during_save_then_only_edits_saved(staff_client, provider, monkeypatch):
    data = form_of(staff_client, provider)
    save = Provider.save

    def slow_save(one: Provider, *args: Any, **kwargs: Any) -> None:
        Provider.objects.filter(pk=one.pk).update(promise_unchecked=77)
        save(one, *args, **kwargs)

    monkeypatch.setattr(Provider, "save", slow_save)
    staff_client.post(page_of(provider), {**data, "on_rise": "off_sale", "publish_new": ""})
    after = row(provider)
    assert (after["promise_unchecked"], after["on_rise"], after["publish_new"]) == (77, "off_sale", False)


def test_margin_when_changed_then_previewed_and_then_applied(staff_client, provider):
    service = make.service(provider)
    data = {**form_of(staff_client, provider), "margin_bp": "50", "exchange_rate": "2", "name": "Renamed"}
    answer = staff_client.post(page_of(provider), data)
    change = PriceChange.objects.get()
    assert reverse("admin:catalog_pricechange_preview", args=[change.pk]) in answer.url
    service.refresh_from_db()
    after = row(provider)
    assert (service.price, after["margin_bp"], after["exchange_rate"]) == (2_500_000, None, EXCHANGE_ONE)
    assert after["name"] == "Renamed"
    apply_change(change=change, seen=None, actor=None, is_confirmed=True)
    service.refresh_from_db()
    assert service.price == 6_000_000
    assert row(provider)["exchange_rate"] == 2 * EXCHANGE_ONE


def test_currency_when_shown_then_help_names_the_exchange_rate(staff_client, provider):
    assert "The exchange rate belongs to it" in text_of(staff_client, provider)


@pytest.mark.parametrize(
    ("typed", "code"), [("RP", "IDR"), ("dong", "VND"), ("VNĐ", "VND"), ("đ", "VND"), ("eur", "EUR")]
)
def test_currency_when_typed_as_a_name_then_its_code_is_stored(staff_client, provider, typed, code):
    shown = form_of(staff_client, provider)
    url = reverse("admin:catalog_provider_change", args=[provider.pk])
    preview = staff_client.post(url, {**shown, "currency": typed, "exchange_rate": "0.5"}, follow=True)
    seen = preview.context["preview"].fingerprint
    staff_client.post(preview.redirect_chain[-1][0], {"seen": seen, "confirm": "yes"})
    assert Provider.objects.get().currency == code


@pytest.mark.parametrize("typed", ["$", "¥", "R 1", "12"])
def test_currency_when_it_is_no_code_then_refused_at_the_field(staff_client, provider, typed):
    shown = form_of(staff_client, provider)
    url = reverse("admin:catalog_provider_change", args=[provider.pk])
    text = staff_client.post(url, {**shown, "currency": typed}).content.decode()
    assert "Enter the code of one currency" in text
    assert Provider.objects.get().currency == "USD"


# -- rights of a manager -----------------------------------------------------------------------------


def test_connection_when_manager_sends_another_then_ignored(provider):
    client = with_role(MANAGER)
    shown = form_of(client, provider)
    before = row(provider)
    sent = {
        **shown,
        "api_url": "https://elsewhere.example/api/v2",
        "api_key": KEY,
        "currency": "TRY",
        "max_parallel_adds": "9",
        "max_parallel_polls": "9",
        "request_id_parameter": "mine",
        "probes_ids": "",
    }
    assert client.post(page_of(provider), sent).status_code == 302
    assert row(provider) == before


def test_prices_when_manager_sets_them_then_saved(provider):
    make.service(provider)
    client = with_role(MANAGER)
    data = {**form_of(client, provider), "is_active": "", "on_rise": "off_sale", "margin_bp": "40"}
    answer = client.post(page_of(provider), data)
    assert "/preview/" in answer.url
    after = row(provider)
    assert (after["is_active"], after["on_rise"]) == (False, "off_sale")


def test_connection_when_manager_views_it_then_read_only_without_key(provider):
    page = with_role(MANAGER).get(page_of(provider))
    assert set(page.context["adminform"].form.fields) == {
        "name",
        "is_active",
        "margin_bp",
        "margin_fixed",
        "publish_new",
        "on_rise",
        "daily_limit",
        "low_balance",
        "low_balance_days",
    }
    text = page.content.decode()
    assert provider.api_url in text
    assert "API key" not in text.replace("API keys", "")  # the menu has a page for the customers' API keys


def test_provider_when_manager_adds_one_then_refused(upstream):
    client = with_role(MANAGER)
    data = {"name": "Mine", "api_url": upstream.url, "api_key": KEY, "currency": "USD", "exchange_rate": "1"}
    assert client.post(reverse("admin:catalog_provider_add"), data).status_code == 403
    assert not Provider.objects.exists()


def test_provider_when_staff_may_only_view_then_posts_are_forbidden(provider):
    user = make.customer("viewer@example.org")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    group = Group.objects.create(name="Viewers")
    group.permissions.set(Group.objects.get(name=OWNER).permissions.filter(codename="view_provider"))
    user.groups.add(group)
    client = Client()
    client.force_login(user)
    before = row(provider)
    assert "API key" not in text_of(client, provider)
    assert client.post(page_of(provider), {"name": "Mine", "api_key": KEY}).status_code == 403
    assert row(provider) == before


# -- the key -----------------------------------------------------------------------------------------


def test_key_when_owner_sets_it_then_used_and_never_shown(provider, upstream):
    client = with_role(OWNER)
    old = row(provider)["api_key_encrypted"]
    data = {**form_of(client, provider), "api_key": KEY}
    assert client.post(page_of(provider), data).status_code == 302
    provider.refresh_from_db()
    assert provider.api_key_encrypted != old
    assert decrypt(provider.api_key_encrypted) == KEY
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Changed API key."
    pages = [
        page_of(provider),
        reverse("admin:catalog_provider_changelist"),
        reverse("admin:catalog_provider_history", args=[provider.pk]),
        reverse("admin:activity_act_changelist"),
        reverse("admin:activity_act_change", args=[entry.pk]),
        action(provider, "test_connection"),
    ]
    for address in pages:
        text = client.get(address).content.decode()
        for secret in (KEY, "upstream-key", provider.api_key_encrypted, old):
            assert secret not in text, address


def test_key_when_form_has_an_error_then_not_sent_back(provider):
    client = with_role(OWNER)
    answer = client.post(page_of(provider), {**form_of(client, provider), "api_key": KEY, "name": ""})
    assert answer.status_code == 200
    assert KEY not in answer.content.decode()


def test_key_when_saving_fails_then_error_report_hides_it(provider, monkeypatch):
    client = with_role(OWNER)
    data = {**form_of(client, provider), "api_key": KEY}
    reports = []

    def broken(one: Provider, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is full")

    def keep(sender: Any, request: Any, **kwargs: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    monkeypatch.setattr(Provider, "save", broken)
    client.raise_request_exception = False
    got_request_exception.connect(keep)
    try:
        answer = client.post(page_of(provider), data)
    finally:
        got_request_exception.disconnect(keep)
    assert answer.status_code == 500
    assert len(reports) == 2
    for text in (*reports, answer.content.decode()):
        assert KEY not in text


# -- health ------------------------------------------------------------------------------------------


def facts(provider: Provider) -> list[tuple[str, str]]:
    provider = Provider.objects.get(pk=provider.pk)
    return [(one.level, one.text) for one in provider_facts(provider=provider, last_run=last_import(provider=provider))]


def healthy(provider: Provider) -> Service:
    now = timezone.now()
    Provider.objects.filter(pk=provider.pk).update(
        balance=100_000_000, balance_checked_at=now, last_synced_at=now, is_active=True
    )
    ProviderFigures.objects.create(provider=provider, orders=100, spent=70_000_000, ended=100, completed=90)
    return make.service(provider)


def test_facts_when_all_is_well_then_all_are_good(provider):
    healthy(provider)
    assert facts(provider) == [
        (GOOD, "It takes orders."),
        (GOOD, "1 of its services is on sale."),
        (GOOD, "Of 100 orders of the last 7 days that ended, 90% were completed in full."),
    ]


AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ({"is_active": False}, INFO, "It is off: nothing is sold"),
        ({"pause_count": 2, "paused_until": AN_HOUR, "pause_reason": "no money"}, DANGER, "paused until"),
        ({"pause_count": 2, "paused_until": -AN_HOUR, "pause_reason": "x"}, DANGER, "but the next order is tried: x"),
        ({"polling_failures": 1}, WARNING, "stand failed once"),
        ({"polling_failures": 4}, WARNING, "failed 4 times in a row"),
        ({"last_synced_at": None}, WARNING, "never imported"),
        ({"last_synced_at": -49 * AN_HOUR}, WARNING, "is known as of"),
        ({"balance": None}, WARNING, "Its balance is not known yet."),
        ({"balance": 0}, DANGER, "There is no money left there."),
        ({"balance": -1}, DANGER, "There is no money left there."),
        ({"balance": 9_999_999}, DANGER, "lasts for less than a day"),
        ({"balance_checked_at": -3 * AN_HOUR}, WARNING, "The balance is as of"),
    ],
)
def test_facts_when_something_is_wrong_then_it_comes_first(provider, values, level, words):
    healthy(provider)
    now = timezone.now()
    moved = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    assert not any(words in text for _, text in facts(provider))
    Provider.objects.filter(pk=provider.pk).update(**moved)
    first, *_ = facts(provider)
    assert first[0] == level
    assert words in first[1]


def test_facts_when_balance_lasts_a_day_then_not_low(provider):
    healthy(provider)
    Provider.objects.update(balance=10_000_000, created_at=timezone.now() - timedelta(days=30))
    assert all(level == GOOD for level, _ in facts(provider))


@pytest.mark.parametrize(
    ("name", "chosen", "values", "words"),
    [
        ("LOW_BALANCE_DAYS", 3, {"balance": 29_999_999}, "lasts for less than 3 days"),
        ("OLD_BALANCE_HOURS", 1, {"balance_checked_at": -1.5 * AN_HOUR}, "The balance is as of"),
        ("OLD_LIST_HOURS", 12, {"last_synced_at": -13 * AN_HOUR}, "is known as of"),
        ("LOW_COMPLETION_PERCENT", 95, {}, "90% were completed"),
    ],
)
def test_facts_when_the_owner_chose_a_threshold_then_judged_by_it(provider, settings, name, chosen, values, words):
    healthy(provider)
    now = timezone.now()
    moved = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    Provider.objects.filter(pk=provider.pk).update(**moved, created_at=now - timedelta(days=30))
    assert all(level == GOOD for level, _ in facts(provider))
    setattr(settings, name, chosen)
    level, text = facts(provider)[0]
    assert level in (WARNING, DANGER) and words in text


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_facts_when_last_import_was_not_applied_then_reason_is_shown(provider, outcome):
    healthy(provider)
    SyncRun.objects.create(provider=provider, outcome=outcome, reason="The list is empty.")
    assert facts(provider)[0][0] == DANGER
    assert "The list is empty." in facts(provider)[0][1]
    SyncRun.objects.create(provider=provider, outcome="applied")
    assert facts(provider)[0][0] == GOOD


@pytest.mark.parametrize("what", [Cause.CURRENCY, Cause.MONEY, Cause.UNREACHABLE, Cause.BALANCE, Cause.REQUEST_IDS])
def test_facts_when_alert_is_open_then_included(provider, what):
    healthy(provider)
    raise_alert(cause=what, about=provider.pk + 1, text="Another bills in EUR.")
    assert facts(provider)[0][0] == GOOD
    raise_alert(cause=what, about=provider.pk, text="It bills in <b>TRY</b>.")
    assert facts(provider)[0] == (DANGER, "It bills in <b>TRY</b>.")


def test_facts_when_rates_pass_minimum_then_counted_until_accepted(provider):
    service = healthy(provider)
    values = {"provider": provider, "upstream": service.upstream, "kind": "rate_up", "is_urgent": True}
    CatalogChange.objects.create(topic="rate", **values)
    CatalogChange.objects.create(topic="limits", **values, accepted_at=timezone.now())
    assert facts(provider)[0] == (
        DANGER,
        "1 rate rose past the minimum margin or your limit. The inbox tells what was done.",
    )


def test_facts_when_services_are_gone_then_counted(provider):
    healthy(provider)
    make.service(provider, external_id="2")
    UpstreamService.objects.update(is_listed=False)
    found = facts(provider)
    assert (WARNING, "None of its services is on sale.") in found
    assert (INFO, "2 of its services are no longer on its list, so not sold.") in found


@pytest.mark.parametrize(("ended", "completed", "level"), [(100, 79, WARNING), (100, 80, GOOD), (9, 0, None)])
def test_facts_when_few_orders_are_completed_then_warning(provider, ended, completed, level):
    healthy(provider)
    ProviderFigures.objects.update(ended=ended, completed=completed)
    assert [one for one, text in facts(provider) if "completed in full" in text] == ([level] if level else [])


@pytest.mark.parametrize(
    ("values", "level", "word"),
    [
        ({}, GOOD, "Running"),
        ({"polling_failures": 1}, WARNING, "Answers badly"),
        ({"pause_count": 1, "polling_failures": 1}, DANGER, "Paused"),
        ({"is_active": False, "pause_count": 1}, INFO, "Off"),
    ],
)
def test_state_when_shown_then_one_word_and_level(provider, values, level, word):
    Provider.objects.update(**values)
    state = provider_state(provider=Provider.objects.get())
    assert (state.level, state.text) == (level, word)


@pytest.mark.parametrize(
    ("balance", "spent", "words"),
    [
        (None, 7, "not known yet"),
        (10, 0, "not known yet"),
        (0, 7, "less than a day"),
        (1, 7, "about 1 day"),
        (12, 7, "about 12 days"),
        (400, 7, "more than a year"),
    ],
)
def test_runway_when_money_is_spent_then_remaining_time_is_shown(staff_client, provider, balance, spent, words):
    ProviderFigures.objects.create(provider=provider, spent=spent * 1_000_000)
    a_month_ago = timezone.now() - timedelta(days=30)
    Provider.objects.update(balance=None if balance is None else balance * 1_000_000, created_at=a_month_ago)
    assert words in text_of(staff_client, provider)
    assert words in staff_client.get(reverse("admin:catalog_provider_changelist")).content.decode()


def test_page_when_provider_texts_are_hostile_then_escaped(staff_client, provider):
    evil = "<script>alert(1)</script>"
    Provider.objects.update(pause_count=1, pause_reason=evil)
    raise_alert(cause=Cause.CURRENCY, about=provider.pk, text=f"It bills in {evil}.")
    SyncRun.objects.create(provider=provider, outcome="refused", reason=evil)
    for address in (page_of(provider), reverse("admin:catalog_provider_changelist")):
        assert evil not in staff_client.get(address).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text_of(staff_client, provider)


def test_list_when_providers_are_many_then_statements_stay_the_same(staff_client, provider):
    address = reverse("admin:catalog_provider_changelist")

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert staff_client.get(address).status_code == 200
        return len(asked)

    healthy(provider)
    SyncRun.objects.create(provider=provider, outcome="applied")
    statements()
    few = statements()
    for index in range(6):
        more = make.provider(name=f"More {index}")
        SyncRun.objects.create(provider=more, outcome="failed")
        healthy(more)
    assert statements() == few


def test_list_when_services_are_on_sale_then_counted(staff_client, provider):
    healthy(provider)
    make.service(provider, external_id="2")
    make.provider(name="Another")
    rows = {
        one.name: one
        for one in staff_client.get(reverse("admin:catalog_provider_changelist")).context["cl"].result_list
    }
    assert (rows["Upstream"].on_sale, rows["Another"].on_sale) == (2, None)


# -- actions -----------------------------------------------------------------------------------------


def test_import_when_requested_then_queued_and_its_page_opens(staff_client, staff, provider):
    assert staff_client.get(action(provider, "import_now")).status_code == 200
    assert not SyncRun.objects.exists()
    answer = staff_client.post(action(provider, "import_now"))
    run = SyncRun.objects.get()
    assert answer.url == reverse("admin:catalog_syncrun_change", args=[run.pk])
    assert (run.outcome, run.actor) == ("queued", staff)
    assert not Service.objects.exists()
    assert LogEntry.objects.get().change_message == "Asked for an import."
    staff_client.post(action(provider, "import_now"))
    assert SyncRun.objects.count() == 1
    assert run_due_imports() == 1
    assert Service.objects.count() > 50
    assert "new, 0 changed" in text_of(staff_client, provider)


def test_imports_when_requested_in_bulk_then_all_queued_and_logged(staff_client, provider):
    more = make.provider(name="More")
    data = {"action": "import_services", "_selected_action": [provider.pk, more.pk]}
    answer_question(staff_client, reverse("admin:catalog_provider_changelist"), data)
    assert set(SyncRun.objects.values_list("provider", "outcome")) == {(provider.pk, "queued"), (more.pk, "queued")}
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(provider.pk), str(more.pk)}


def test_connection_test_when_currency_differs_then_warning(staff_client, provider, upstream):
    Provider.objects.update(currency="EUR")
    text = staff_client.post(action(provider, "test_connection"), follow=True).content.decode()
    assert "It answers, but it bills in USD and is set up with EUR" in text
