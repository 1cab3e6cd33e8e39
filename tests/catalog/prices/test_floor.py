"""The floor of prices: who moves it, what needs a confirmation, and what owners are told."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse

from catalog.imports.queue import run_due_imports
from catalog.models import PriceChange, PricePolicy, Provider, Service
from catalog.prices.changes import NotConfirmed, NotYours, apply_change, draft_change, draft_undo, preview_change
from catalog.prices.edits import Edit
from catalog.prices.floor import confirm_exchange_rate, is_far, is_unconfirmed
from catalog.prices.storage import price_policy
from panel.accounts.mails import send_account_mails
from panel.accounts.models import AccountMail, User
from panel.accounts.roles import MANAGER, OWNER, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from tests import make

pytestmark = pytest.mark.django_db

ONE = EXCHANGE_ONE


@pytest.fixture
def bought(db):
    """A provider whose exchange rate of 1 is confirmed, with a service at $2.00 that sells for $2.50."""
    price_policy()
    provider = make.provider(confirmed_exchange_rate=ONE)
    make.service(provider)
    return provider


def with_role(role: str) -> User:
    set_up_roles()
    user = make.customer(f"the-{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def draft(kind: str, pk: int, **values) -> PriceChange:
    return draft_change(edits=[Edit(kind, (pk,), values)], source="provider", summary="A change", actor=None)


def set_rate(provider: Provider, rate: int, *, actor: User | None = None, is_confirmed: bool = False):
    change = draft("provider", provider.pk, exchange_rate=rate)
    return apply_change(change=change, seen=None, actor=actor, is_confirmed=is_confirmed)


def rates() -> list[tuple[int, int | None]]:
    return list(Provider.objects.values_list("exchange_rate", "confirmed_exchange_rate"))


@pytest.mark.once
@pytest.mark.parametrize(
    ("new", "percent", "far"),
    [(80, 20, False), (120, 20, False), (79, 20, True), (121, 20, True), (100, 0, False), (101, 0, True)],
)
def test_band_when_a_value_moves_then_far_beyond_the_percent(new, percent, far):
    assert is_far(new=new, confirmed=100, percent=percent) is far


@pytest.mark.once
def test_band_when_the_confirmed_value_is_zero_then_everything_else_is_far():
    assert (is_far(new=1, confirmed=0, percent=20), is_far(new=0, confirmed=0, percent=20)) == (True, False)


def test_rate_when_moved_within_the_band_then_applied_without_alarm(bought):
    set_rate(bought, ONE * 9 // 10)
    assert (rates(), Alert.objects.count(), AccountMail.objects.count()) == ([(ONE * 9 // 10, ONE)], 0, 0)


def test_rate_when_moved_in_small_steps_then_they_add_up(bought):
    set_rate(bought, ONE * 85 // 100)
    with pytest.raises(NotConfirmed):
        set_rate(bought, ONE * 75 // 100)
    assert rates() == [(ONE * 85 // 100, ONE)]


def test_rate_when_confirmed_beyond_the_band_then_owners_are_told(bought, settings):
    owner, manager = with_role(OWNER), with_role(MANAGER)
    away = make.owner("away@example.org")
    User.objects.filter(pk=away.pk).update(is_active=False)
    change = draft("provider", bought.pk, exchange_rate=ONE // 2)
    preview = preview_change(change=change)
    assert (preview.must_confirm, preview.below_old_cost) == (True, 1)
    with pytest.raises(NotConfirmed):
        apply_change(change=change, seen=preview.fingerprint, actor=owner)
    assert rates() == [(ONE, ONE)]
    apply_change(change=change, seen=preview.fingerprint, actor=owner, is_confirmed=True)
    assert rates() == [(ONE // 2, ONE // 2)]
    alert = Alert.objects.get()
    assert (alert.cause, alert.level) == (Cause.PROVIDER_FLOOR.of(bought.pk), "danger")
    assert alert.text == f"{owner} set the exchange rate of Upstream from 1 to 0.5. Is that right?"
    assert send_account_mails() == 1
    assert (mail.outbox[0].to, manager.email in mail.outbox[0].body) == ([owner.email], False)
    assert "URGENT" in mail.outbox[0].subject
    for text in (owner.email, "Exchange rate of Upstream", "--- before ---\n1\n--- now ---\n0.5", "value before: 1"):
        assert text in mail.outbox[0].body


def test_currency_when_it_alone_changes_then_it_needs_a_confirmation(bought):
    """No price moves by it at once, but the next import's rates would be costed wrongly."""
    change = draft("provider", bought.pk, currency="EUR")
    assert not preview_change(change=change).moves_prices
    with pytest.raises(NotConfirmed):
        apply_change(change=change, seen=None, actor=None)
    assert Provider.objects.get().currency == "USD"


def test_minimum_margin_when_moved_then_measured_from_the_confirmed_one(bought):
    PricePolicy.objects.update(minimum_margin_bp=1_000, confirmed_minimum_bp=1_000)
    apply_change(change=draft("panel", 1, minimum_margin_bp=900), seen=None, actor=None)
    for value in (700, 0):
        with pytest.raises(NotConfirmed):
            apply_change(change=draft("panel", 1, minimum_margin_bp=value), seen=None, actor=None)
    apply_change(change=draft("panel", 1, minimum_margin_bp=0), seen=None, actor=None, is_confirmed=True)
    assert PricePolicy.objects.values_list("minimum_margin_bp", "confirmed_minimum_bp").get() == (0, 0)
    assert Alert.objects.get().cause == Cause.FLOOR


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("provider", {"exchange_rate": ONE * 9 // 10}),
        ("provider", {"currency": "EUR"}),
        ("panel", {"minimum_margin_bp": 1}),
        ("service", {"allow_below_minimum": True}),
    ],
)
def test_floor_when_a_manager_applies_a_draft_then_refused(bought, kind, values):
    """The draft may be an owner's, and its page known to the manager."""
    manager = with_role(MANAGER)
    pk = {"provider": bought.pk, "panel": 1, "service": Service.objects.get().pk}[kind]
    change = draft(kind, pk, **values)
    with pytest.raises(NotYours):
        apply_change(change=change, seen=None, actor=manager, is_confirmed=True)
    page = reverse("admin:catalog_pricechange_preview", args=[change.pk])
    assert signed_in(manager).post(page, {"confirm": "yes"}).status_code == 403


def test_rate_when_an_undo_leads_beyond_the_band_then_it_is_confirmed_too(bought):
    change = draft("provider", bought.pk, exchange_rate=2 * ONE)
    apply_change(change=change, seen=None, actor=None, is_confirmed=True)
    back = draft_undo(change=PriceChange.objects.get(pk=change.pk), actor=None)
    with pytest.raises(NotConfirmed):
        apply_change(change=back, seen=None, actor=None)
    apply_change(change=back, seen=None, actor=None, is_confirmed=True)
    assert rates() == [(ONE, ONE)]


def test_rate_when_it_got_in_otherwise_then_an_owner_confirms_it(bought):
    owner = with_role(OWNER)
    Provider.objects.update(exchange_rate=ONE // 2)
    page = reverse("admin:catalog_provider_confirm_rate", args=[bought.pk])
    assert signed_in(with_role(MANAGER)).post(page).status_code == 403
    client = signed_in(owner)
    shown = client.get(page).content.decode()
    assert "0.5" in shown
    client.post(page, {"seen": "1:0.5"})
    assert rates() == [(ONE // 2, ONE // 2)]
    assert client.get(page).status_code == 403
    assert AccountMail.objects.filter(kind=AccountMail.Kind.OWNERS).count() == 1


def test_rate_when_it_moved_since_it_was_read_then_not_confirmed(bought):
    Provider.objects.update(exchange_rate=ONE // 2)
    assert not confirm_exchange_rate(provider=bought, actor=None)
    assert is_unconfirmed(Provider.objects.get())


def test_import_when_it_is_the_first_then_it_confirms_the_rate_once(provider, upstream):
    upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
    from catalog.imports.queue import request_import

    for rate in (ONE, ONE // 3):
        Provider.objects.update(exchange_rate=rate)
        request_import(provider=provider, actor=None)
        run_due_imports()
    assert rates() == [(ONE // 3, ONE)]


# -- the pages ---------------------------------------------------------------------------------------


def test_pages_when_the_person_is_a_manager_then_the_floor_is_read_only(bought):
    client = signed_in(with_role(MANAGER))
    provider = reverse("admin:catalog_provider_change", args=[bought.pk])
    margin = reverse("admin:catalog_pricepolicy_change", args=[1])
    service = reverse("admin:catalog_service_change", args=[Service.objects.get().pk])
    for page, name in ((provider, "exchange_rate"), (margin, "minimum_margin_bp"), (service, "allow_below_minimum")):
        text = client.get(page).content.decode()
        assert f'name="{name}"' not in text
        assert "the owner sets it" in text or page == service
    fields = {"name": "Upstream", "is_active": "on", "on_rise": "reprice", "publish_new": "on"}
    answer = client.post(provider, {**fields, "exchange_rate": "0.000001", "currency": "EUR"})
    assert answer.status_code == 302
    client.post(margin, {"margin_bp": "25", "margin_fixed": "0", "minimum_margin_bp": "50", "price_step": "0.0001"})
    assert (rates(), Provider.objects.get().currency) == ([(ONE, ONE)], "USD")
    assert (PricePolicy.objects.get().minimum_margin_bp, PriceChange.objects.count()) == (0, 0)


def test_preview_when_the_rate_leaves_the_band_then_it_asks_once_more(bought):
    client = signed_in(with_role(OWNER))
    change = draft("provider", bought.pk, exchange_rate=ONE // 1_000_000)
    page = reverse("admin:catalog_pricechange_preview", args=[change.pk])
    shown = client.get(page)
    text = shown.content.decode()
    assert "1 service would be priced below its cost at the value before." in text
    for words in ("0.000001", 'name="confirm"', "all owners get an alert and a mail"):
        assert words in text
    seen = {"seen": shown.context["preview"].fingerprint}
    assert "needs your confirmation" in client.post(page, seen).content.decode()
    assert rates() == [(ONE, ONE)]
    client.post(page, {**seen, "confirm": "yes"})
    assert rates() == [(ONE // 1_000_000, ONE // 1_000_000)]
