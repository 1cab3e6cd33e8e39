"""No name, reference, address or browser's name writes a header of a mail, or adds somebody who gets it."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from allauth.core.context import request_context
from django.core import mail
from django.db.models import QuerySet
from django.test import Client, override_settings
from django.urls import reverse

from billing.mails import write_deposit_mail
from billing.models import Deposit
from panel.accounts.mails import write_account_mail
from panel.accounts.models import AccountMail, User
from panel.api.keys.emails import mail_of_new_key
from panel.api.keys.services import make_key
from tests import make

pytestmark = pytest.mark.django_db

INJECTION = "x\r\nBcc: thief@evil.example\r\n\r\n<b>Pay to account 2</b>"
# The panel's name is one line (`Text.parse`); it may hold anything else.
NAME = 'Evil" <thief@evil.example>, (x'
HEADERS = {
    *("subject", "from", "to", "date", "message-id", "content-type", "content-transfer-encoding", "mime-version"),
}


def check(sent: Any, recipient: str) -> None:
    """Check what a mail server would get."""
    parsed = message_from_bytes(sent.message().as_bytes(), policy=policy.default)
    assert {name.lower() for name in parsed} <= HEADERS
    assert [one.addr_spec for one in parsed["to"].addresses] == [recipient]
    assert [one.addr_spec for one in parsed["from"].addresses] == ["panel@localhost"]
    assert sent.recipients() == [recipient]
    assert "\n" not in parsed["subject"] and "Bcc" not in parsed["subject"]


@pytest.fixture(autouse=True)
def hostile_name(settings: Any) -> None:
    settings.PANEL_NAME = NAME


def overwrite(row: Any, **values: Any) -> None:
    QuerySet(type(row)).filter(pk=row.pk).update(**values)
    row.refresh_from_db()


@pytest.mark.parametrize("state", ["pending", "approved", "refused"])
def test_mail_of_a_deposit_when_its_texts_are_hostile_then_as_meant(customer: User, state: str) -> None:
    deposit = make.pending_deposit(customer)
    overwrite(deposit.method, name=INJECTION)
    overwrite(customer, first_name=INJECTION)
    Deposit.objects.filter(pk=deposit.pk).update(reference=INJECTION, note=INJECTION, receipt_name=INJECTION)
    deposit = Deposit.objects.get(pk=deposit.pk)
    deposit.state = state
    sent = write_deposit_mail(deposit)
    assert sent is not None
    check(sent, customer.email)


@pytest.mark.parametrize("kind", AccountMail.Kind.values)
def test_mail_of_an_account_when_its_texts_are_hostile_then_as_meant(kind: str) -> None:
    user = make.invited("new@example.org")
    overwrite(user, first_name=INJECTION, last_name=INJECTION)
    sent = write_account_mail(AccountMail(user=user, kind=kind, recipient=user.email, old=INJECTION, new=INJECTION))
    assert sent is not None
    check(sent, user.email)


def test_mail_of_a_key_when_its_texts_are_hostile_then_as_meant(customer: User, rf: Any) -> None:
    key = make_key(customer=customer, name="Shop").key
    overwrite(key, name=INJECTION)
    request = rf.post("/", headers={"user-agent": INJECTION})
    with request_context(request):
        assert mail_of_new_key(request=request, key=key)
    check(mail.outbox[-1], customer.email)


FORMS = {"account_signup": "email", "account_reset_password": "email", "account_login": "login"}
BAD_ADDRESSES = [
    *("victim@example.org\r\nBcc: thief@evil.example", "victim@example.org\nBcc:thief@evil.example", "a\r\n@b.example"),
    *("victim@example.org,thief@evil.example", "victim@example.org thief@evil.example", "a@b.example%0d%0aBcc:x@y.z"),
    *("victim@example.org;thief@evil.example", "<victim@example.org>", "A <victim@example.org>", "a@b.example\x00"),
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
@override_settings(EMAIL_VERIFICATION="mandatory")
def test_address_when_it_holds_more_than_one_then_refused(customer: User, address: str) -> None:
    for name, field in FORMS.items():
        typed = {field: address, "password1": "correct horse battery", "password": "correct horse battery"}
        assert Client().post(reverse(name), typed).status_code == 200, name
    assert mail.outbox == []
    assert User.objects.count() == 1


@override_settings(EMAIL_VERIFICATION="mandatory")
def test_mail_when_a_strange_address_is_valid_then_to_it_alone(customer: User) -> None:
    """An address that may be registered: its quotes and braces stay in it."""
    address = "o'neil+{x}&y=?^`@example.org"
    for name in ("account_signup", "account_reset_password"):
        headers = {"user-agent": INJECTION, "x-forwarded-host": "evil.example"}
        Client(headers=headers).post(reverse(name), {"email": address, "password1": "correct horse battery"})
    assert len(mail.outbox) == 2
    for sent in mail.outbox:
        check(sent, address)
        assert "evil.example/" not in sent.body
