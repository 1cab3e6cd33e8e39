"""Payment methods in the admin: where money goes is confirmed, old beside new, and told to all owners."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from billing.methods import methods
from billing.models import PaymentMethod
from panel.accounts.mails import send_account_mails
from panel.accounts.models import AccountMail
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.lib.admin.kept_forms import KEPT
from tests import make

pytestmark = pytest.mark.django_db

MINE = "Pay to account 2.\n<b>Mine</b>"


@pytest.fixture
def method(db):
    return make.payment_method()


def page_of(method: PaymentMethod | None) -> str:
    if method is None:
        return reverse("admin:billing_paymentmethod_add")
    return reverse("admin:billing_paymentmethod_change", args=[method.pk])


def form_of(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Bank transfer",
        "kind": "transfer",
        "instructions": "Pay to account 1.",
        "minimum": "5",
        "maximum": "1000",
        "bonus_bp": "0",
        "hours_open": "72",
        "position": "0",
        "is_active": "on",
        **changes,
    }


def kept_in(answer: Any) -> str:
    found = re.search(rf'name="{KEPT}" value="([^"]+)"', answer.content.decode())
    assert found, "nothing is asked"
    return html.unescape(found[1])


def stored() -> list[tuple[str, str]]:
    return list(PaymentMethod.objects.values_list("name", "instructions"))


def test_instructions_when_changed_then_shown_side_by_side_before_saving(staff_client, method):
    answer = staff_client.post(page_of(method), form_of(instructions=MINE))
    text = answer.content.decode()
    for words in ("Pay to account 1.", "Pay to account 2.", "&lt;b&gt;Mine&lt;/b&gt;", "Before", "Now"):
        assert words in text
    assert (stored()[0][1], AccountMail.objects.count(), Alert.objects.count()) == ("Pay to account 1.", 0, 0)


def test_instructions_when_confirmed_then_saved_and_all_owners_told(staff, staff_client, method):
    make.owner("other@example.org")
    kept = kept_in(staff_client.post(page_of(method), form_of(instructions=MINE)))
    assert staff_client.post(page_of(method), {KEPT: kept}).status_code == 302
    assert stored()[0][1].splitlines() == MINE.splitlines()
    alert = Alert.objects.get()
    assert (alert.cause, alert.level) == (Cause.DESTINATION.of(method.pk), "danger")
    assert alert.text.startswith(f"{staff.email} changed where money goes: Bank transfer (instructions).")
    assert send_account_mails() == 2
    assert sorted(one.to[0] for one in mail.outbox) == ["other@example.org", staff.email]
    assert "URGENT · Where money goes was changed" in mail.outbox[0].subject
    for words in (staff.email, "Pay to account 1.", "Pay to account 2.", "Bank transfer"):
        assert words in mail.outbox[0].body


def test_method_when_a_gateway_is_added_then_leads_to_its_set_up(staff_client):
    kept = kept_in(staff_client.post(page_of(None), form_of(kind="heleket")))
    answer = staff_client.post(page_of(None), {KEPT: kept})
    assert answer.url == reverse("admin:billing_paymentmethod_gateway", args=[PaymentMethod.objects.get().pk])


@pytest.mark.parametrize("changes", [{"is_active": ""}, {"name": "IBAN DE00"}, {"instructions": ""}])
def test_method_when_anything_of_the_destination_changes_then_asked(staff_client, method, changes):
    kept_in(staff_client.post(page_of(method), form_of(**changes)))


def test_method_when_it_is_new_then_asked_too(staff_client):
    kept = kept_in(staff_client.post(page_of(None), form_of()))
    assert stored() == []
    staff_client.post(page_of(None), {KEPT: kept})
    assert (stored(), AccountMail.objects.count()) == ([("Bank transfer", "Pay to account 1.")], 1)


def test_method_when_only_limits_change_then_saved_at_once(staff_client, method):
    assert staff_client.post(page_of(method), form_of(maximum="2000")).status_code == 302
    assert (PaymentMethod.objects.get().maximum, AccountMail.objects.count()) == (make.micros("2000"), 0)


def test_confirmation_when_another_changed_it_meanwhile_then_asked_again(staff_client, method):
    kept = kept_in(staff_client.post(page_of(method), form_of(instructions=MINE)))
    PaymentMethod.objects.update(instructions="Pay to account 3.")
    again = staff_client.post(page_of(method), {KEPT: kept})
    assert "Pay to account 3." in again.content.decode()
    assert stored()[0][1] == "Pay to account 3."


def test_confirmation_when_of_another_person_object_or_time_then_refused(staff_client, method, monkeypatch):
    kept = kept_in(staff_client.post(page_of(method), form_of(instructions=MINE)))
    other = Client()
    other.force_login(make.owner("other@example.org"))
    second = make.payment_method(name="Card")
    other.post(page_of(method), {KEPT: kept})
    staff_client.post(page_of(second), {KEPT: kept})
    staff_client.post(page_of(method), {KEPT: "forged"})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3_600)
    answer = staff_client.post(page_of(method), {KEPT: kept}, follow=True)
    assert "too old to confirm" in answer.content.decode()
    assert [text for _, text in stored()] == ["Pay to account 1."] * 2


def test_secret_when_a_method_declares_one_then_compared_but_not_shown(staff_client, method, monkeypatch):
    """As a gateway's credential: the column stands for one that a gateway adds."""
    transfer = methods()["transfer"]
    monkeypatch.setattr(type(transfer), "destination", ("instructions",), raising=False)
    monkeypatch.setattr(type(transfer), "secrets", ("instructions",), raising=False)
    answer = staff_client.post(page_of(method), form_of(instructions="hidden-key-77"))
    text = answer.content.decode()
    assert "hidden-key-77" not in text
    assert "a secret that is not shown (replaced)" in text
    staff_client.post(page_of(method), {KEPT: kept_in(answer)})
    assert stored()[0][1] == "hidden-key-77"
    assert "hidden-key-77" not in str(AccountMail.objects.get().facts)


@pytest.mark.parametrize("in_bulk", [False, True])
def test_method_when_deleted_then_all_owners_are_told(staff_client, method, in_bulk):
    if in_bulk:
        data = {"action": "delete_selected", "_selected_action": [method.pk], "post": "yes"}
        staff_client.post(reverse("admin:billing_paymentmethod_changelist"), data)
    else:
        staff_client.post(reverse("admin:billing_paymentmethod_delete", args=[method.pk]), {"post": "yes"})
    assert (stored(), AccountMail.objects.count()) == ([], 1)
