"""“I have paid”: said once or again, until staff have decided."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from billing.deposits import AlreadyDecided, approve_deposit, cancel_deposit, deposits_to_decide, waiting_deposits
from billing.models import Deposit
from billing.receipts import check_receipt
from billing.said_paid import say_paid
from tests import make
from tests.scenes import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    storage = storages["private"]
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage.__dict__, name, str(tmp_path))
    return tmp_path


@pytest.fixture
def deposit(customer):
    return make.pending_deposit(customer, method=make.payment_method())


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def say(client, deposit, **values):
    return client.post(reverse("deposit_paid", args=[deposit.pk]), values)


def png(name="a.png", content=PNG):
    return SimpleUploadedFile(name, content, "image/png")


def test_request_when_stored_then_its_page_has_the_code_and_asks_to_say_so(signed_in, deposit):
    text = signed_in.get(reverse("deposit_detail", args=[deposit.pk])).content.decode()
    assert f"{deposit.code[:4]}-{deposit.code[4:]}" in text
    assert "I have paid" in text and "To be paid" in text
    assert not deposits_to_decide().exists()


def test_paid_when_said_then_waits_for_staff_and_does_not_expire(signed_in, deposit):
    assert say(signed_in, deposit, reference="TX 1").url == reverse("deposit_detail", args=[deposit.pk])
    deposit.refresh_from_db()
    assert (deposit.reference, deposit.expires_at, deposit.state) == ("TX 1", None, "pending")
    assert deposits_to_decide().get() == deposit
    text = signed_in.get(reverse("deposit_detail", args=[deposit.pk])).content.decode()
    assert "You said that you have paid. We look for it" in text and "TX 1" in text


def test_paid_when_said_after_it_expired_then_waited_for_again(signed_in, deposit):
    Deposit.objects.update(expires_at=deposit.created_at - timedelta(days=1))
    say(signed_in, deposit)
    assert waiting_deposits(customer_id=deposit.customer_id).get() == deposit


def test_paid_when_said_again_then_first_time_stays_and_receipt_is_replaced(signed_in, deposit, folder):
    say(signed_in, deposit, receipt=png())
    deposit.refresh_from_db()
    first, old = deposit.paid_at, deposit.receipt.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        say(signed_in, deposit, reference="TX 2", receipt=png("b.png"))
    deposit.refresh_from_db()
    assert (deposit.paid_at, deposit.reference, deposit.receipt_name) == (first, "TX 2", "b.png")
    assert deposit.receipt.name != old
    assert len(files_in(folder)) == 1
    say(signed_in, deposit)
    deposit.refresh_from_db()
    assert (deposit.reference, deposit.receipt_name) == ("TX 2", "b.png")


def test_paid_when_the_receipt_is_no_picture_then_an_error_and_the_rest_kept(signed_in, deposit, folder):
    page = say(signed_in, deposit, reference="kept", receipt=png(content=b"<html>"))
    text = page.content.decode()
    assert page.status_code == 200
    assert "not a PNG" in text and 'value="kept"' in text
    assert Deposit.objects.get().paid_at is None and files_in(folder) == []


def test_paid_when_decided_meanwhile_then_told_and_nothing_stored(signed_in, deposit, staff, folder):
    approve_deposit(deposit_id=deposit.pk, credited=1, actor=staff)
    page = signed_in.post(reverse("deposit_paid", args=[deposit.pk]), {"receipt": png()}, follow=True)
    assert "decided a moment before" in page.content.decode()
    assert Deposit.objects.get().paid_at is None and files_in(folder) == []


def test_paid_when_of_another_customer_or_kind_then_not_there(signed_in, deposit, other):
    assert say(signed_in, make.pending_deposit(other)).status_code == 404
    type(deposit.method).objects.update(kind="signed")
    assert say(signed_in, deposit).status_code == 404


def test_paid_when_opened_by_a_link_then_leads_to_the_request(signed_in, deposit):
    assert signed_in.get(reverse("deposit_paid", args=[deposit.pk])).url == reverse("deposit_detail", args=[deposit.pk])
    assert Deposit.objects.get().paid_at is None


@pytest.mark.parametrize("values", [{"reference": "TX"}, {"receipt": "file"}])
def test_request_when_sent_with_proof_then_it_is_paid_already(signed_in, deposit, values):
    if "receipt" in values:
        values = {"receipt": png()}
    data = {"method": deposit.method_id, "amount": "50", "request_key": "f" * 32, **values}
    signed_in.post(reverse("add_funds"), data)
    made = Deposit.objects.get(amount=50_000_000)
    assert made.paid_at is not None and made.expires_at is None
    assert deposits_to_decide().get() == made


@pytest.mark.django_db(transaction=True)
def test_paid_when_said_and_decided_at_once_then_no_file_without_a_row(deposit, staff, folder):
    deeds = [
        lambda: say_paid(deposit_id=deposit.pk, receipt=check_receipt(png())),
        lambda: approve_deposit(deposit_id=deposit.pk, credited=5, actor=staff),
        lambda: say_paid(deposit_id=deposit.pk, receipt=check_receipt(png())),
    ]
    results = at_once(3, lambda number: deeds[number]())
    assert all(isinstance(one, (Deposit, AlreadyDecided)) for one in results), results
    deposit.refresh_from_db()
    assert deposit.state == "approved"
    assert len(files_in(folder)) == (1 if deposit.receipt else 0)


def test_receipt_when_canceled_after_it_was_said_then_deleted(signed_in, deposit, folder):
    say(signed_in, deposit, receipt=png())
    cancel_deposit(deposit=Deposit.objects.get())
    assert files_in(folder) == []


def test_migration_when_requests_wait_then_those_by_hand_are_said_to_be_paid(customer, deposit):
    decided = make.pending_deposit(customer, method=deposit.method)
    cancel_deposit(deposit=decided)
    signed = make.pending_deposit(customer, method=make.payment_method(kind="signed"))
    migration = import_module("billing.migrations.0016_transfers_added_lately")
    migration.say_paid(apps, SimpleNamespace(connection=connection))
    assert list(deposits_to_decide()) == [deposit]
    deposit.refresh_from_db()
    assert deposit.paid_at == deposit.created_at
    signed.refresh_from_db()
    assert signed.paid_at is None
