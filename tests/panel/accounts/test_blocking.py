"""Blocking: who may be blocked, what it ends, and what the customer reads."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from panel.accounts.blocking import block, unblock
from panel.accounts.models import User
from tests import make

pytestmark = pytest.mark.django_db
REASON = "Three payments were taken back. Write to us."


@pytest.fixture
def alice():
    return make.confirm_address(make.customer("alice@example.org"))


def sign_in(client, password="correct horse battery"):
    return client.post(reverse("account_login"), {"login": "alice@example.org", "password": password}, follow=True)


def block_page(client, user, reason=REASON):
    address = reverse("admin:accounts_user_block", args=[user.pk])
    return client.post(address, {"reason": reason, "seen": f"{user.email}:True:"})


def test_sign_in_when_blocked_then_the_reason_is_read(client, alice):
    block(customer=alice, reason=REASON)
    response = sign_in(client)
    assert REASON in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_sign_in_when_blocked_and_password_is_wrong_then_no_reason(client, alice):
    block(customer=alice, reason=REASON)
    assert REASON not in sign_in(client, "something else").content.decode()


def test_block_when_signed_in_then_session_ends_for_good(client, alice):
    client.force_login(alice)
    block(customer=alice, reason=REASON)
    assert client.get(reverse("order_list")).status_code == 302
    unblock(customer=alice)
    assert client.get(reverse("order_list")).status_code == 302


def test_block_when_staff_or_blocked_before_then_false(alice):
    assert block(customer=alice, reason=REASON)
    assert not block(customer=alice, reason="Another")
    assert User.objects.get(pk=alice.pk).blocked_reason == REASON
    assert not block(customer=make.staff_member("Support"), reason=REASON)
    assert not block(customer=make.owner(), reason=REASON)


def test_unblock_when_off_without_a_reason_then_false():
    invited = make.invited("new@example.org")
    assert not unblock(customer=invited)
    assert not User.objects.get(pk=invited.pk).is_active


def test_block_page_when_sent_then_blocked_and_logged(client, alice):
    client.force_login(make.staff_member("Support"))
    assert block_page(client, alice).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.blocked_reason) == (False, REASON)
    entry = LogEntry.objects.get(object_id=str(alice.pk))
    changed = {one["column"]: one["after"] for one in entry.detail.changes}
    assert changed == {"is_active": False, "blocked_reason": REASON}


def test_block_page_when_no_reason_then_nothing_changes(client, alice):
    client.force_login(make.owner())
    assert "This field is required" in block_page(client, alice, " ").content.decode()
    assert User.objects.get(pk=alice.pk).is_active


def test_account_page_when_switched_on_then_old_reason_is_gone(alice):
    block(customer=alice, reason=REASON)
    client = Client()
    client.force_login(make.owner())
    address = reverse("admin:accounts_user_change", args=[alice.pk])
    assert client.post(address, {"first_name": "", "last_name": "", "is_active": "on"}).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.blocked_reason) == (True, "")
