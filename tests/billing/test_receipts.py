"""Receipts: which are accepted, where they are kept, and who may see them."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from billing.models import Deposit
from billing.receipts import MAX_BYTES, type_of
from panel.accounts.models import User
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.once]  # About files, their types and who may read them.

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
FILES = {
    ".png": PNG,
    ".jpg": b"\xff\xd8\xff\xe0" + b"\0" * 20,
    ".webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    ".pdf": b"%PDF-1.7\n%...",
}


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """A storage for this test alone."""
    storage = storages["private"]
    for name, value in (("base_location", str(tmp_path)), ("location", str(tmp_path))):
        monkeypatch.setitem(storage.__dict__, name, value)
    return tmp_path


@pytest.fixture
def method():
    return make.payment_method()


def sends(client, method, content, *, name="receipt.png", claimed="image/png", **values):
    file = SimpleUploadedFile(name, content, content_type=claimed)
    data = {"method": method.pk, "amount": "100", "request_key": uuid4().hex, "receipt": file, **values}
    return client.post(reverse("add_funds"), data)


def stored(private):
    return [path for path in Path(private).rglob("*") if path.is_file()]


def receipt(client, deposit):
    return client.get(reverse("deposit_receipt", args=[deposit.pk]))


# -- accepting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FILES)
def test_receipt_when_type_is_accepted_then_served_with_that_type(signed_in, method, private, suffix):
    assert sends(signed_in, method, FILES[suffix], name="my.exe", claimed="text/html").status_code == 302
    [file] = stored(private)
    assert re.fullmatch(r"[0-9a-f]{32}" + re.escape(suffix), file.name)
    assert file.stat().st_mode & 0o077 == 0
    answer = receipt(signed_in, Deposit.objects.get())
    assert b"".join(answer.streaming_content) == FILES[suffix]
    assert answer["Content-Type"] in ("image/png", "image/jpeg", "image/webp", "application/pdf")
    assert answer["Content-Disposition"].startswith("attachment" if suffix == ".pdf" else "inline")
    assert f'filename="receipt-{Deposit.objects.get().pk}{suffix}"' in answer["Content-Disposition"]


@pytest.mark.parametrize(
    "content",
    [
        b"<html><script>alert(1)</script>",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"MZ\x90",
        b" %PDF-1.7",
        b"RIFF\x10\0\0\0WAVE",
        b"\x89PN",
        b"x",
    ],
)
def test_receipt_when_its_type_is_not_accepted_then_its_error(signed_in, method, private, content):
    response = sends(signed_in, method, content, reference="kept")
    assert "PNG, JPEG, WebP or PDF" in str(response.context["form"].errors["receipt"])
    text = response.content.decode()
    assert 'value="kept"' in text and "Choose your file again" in text
    assert (Deposit.objects.count(), stored(private)) == (0, [])


def test_receipt_when_too_large_or_empty_then_its_error(signed_in, method, private):
    assert "too large: 5 MB" in str(sends(signed_in, method, PNG + b"\0" * MAX_BYTES).context["form"].errors["receipt"])
    assert "empty" in str(sends(signed_in, method, b"").context["form"].errors["receipt"])
    exact = PNG + b"\0" * (MAX_BYTES - len(PNG))
    assert sends(signed_in, method, exact).status_code == 302
    assert len(stored(private)) == 1


def test_receipt_when_another_field_is_wrong_then_no_file_is_kept(signed_in, method, private):
    sends(signed_in, method, PNG, amount="1")
    assert stored(private) == []


def test_receipt_when_the_form_is_sent_twice_then_one_file_is_kept(signed_in, method, private):
    key = uuid4().hex
    for _ in range(2):
        sends(signed_in, method, PNG, request_key=key)
    assert len(stored(private)) == 1


def test_receipt_when_the_request_is_refused_then_no_file_is_kept(signed_in, customer, method, private):
    for _ in range(5):
        make.pending_deposit(customer)
    assert sends(signed_in, method, PNG).status_code == 200
    assert stored(private) == []


@pytest.mark.parametrize("head", [b"", b"\x89", b"RIFF", b"RIFF\0\0\0\0"])
def test_type_when_there_are_too_few_bytes_then_none(head):
    assert type_of(head) is None


# -- serving ---------------------------------------------------------------------------------------------


@pytest.fixture
def deposit(signed_in, method):
    sends(signed_in, method, PNG, name='<img src=x onerror="alert(1)">.png')
    return Deposit.objects.get()


def test_receipt_when_its_request_is_canceled_then_deleted(signed_in, deposit, private):
    """Repeated requests and cancels would fill the disk."""
    signed_in.post(reverse("deposit_cancel", args=[deposit.pk]))
    deposit.refresh_from_db()
    assert (deposit.state, deposit.receipt.name, deposit.receipt_name) == ("canceled", "", "")
    assert stored(private) == []
    assert signed_in.get(reverse("deposit_receipt", args=[deposit.pk])).status_code == 404


def test_receipt_when_served_then_nothing_in_it_can_run(signed_in, deposit):
    answer = receipt(signed_in, deposit)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]


def test_receipt_when_its_name_holds_markup_then_escaped(signed_in, staff_client, deposit):
    for client, name in ((signed_in, "deposit_detail"), (staff_client, "admin:billing_deposit_change")):
        text = client.get(reverse(name, args=[deposit.pk])).content.decode()
        assert "&lt;img" in text and "<img src=x" not in text


def test_receipt_when_another_customer_or_visitor_opens_it_then_404(other, deposit):
    client = Client()
    assert receipt(client, deposit).status_code == 302
    client.force_login(other)
    assert receipt(client, deposit).status_code == 404


def test_receipt_when_staff_open_it_then_only_with_the_permission(deposit, staff_client):
    assert receipt(staff_client, deposit).status_code == 200
    user = make.customer("clerk@example.org")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    assert receipt(client, deposit).status_code == 404
    user.user_permissions.add(Permission.objects.get(codename="view_deposit"))
    assert receipt(client, deposit).status_code == 200
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert receipt(client, deposit).status_code == 404


def test_receipt_when_its_file_is_missing_then_404(signed_in, customer, deposit, private):
    [file] = stored(private)
    file.unlink()
    answer = receipt(signed_in, deposit)
    assert answer.status_code == 404
    assert str(private) not in answer.content.decode()
    assert receipt(signed_in, make.pending_deposit(customer)).status_code == 404
