"""The pages and mails of allauth use the words of the rest of the panel."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

# Page texts are the same on any database; the data behind them is tested elsewhere, on both.
pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("account_login", ["E-mail", "Password"]),
        ("account_signup", ["E-mail", "Password"]),
        ("account_reset_password", ["E-mail"]),
        ("account_email", ["New e-mail address", "Password"]),
        ("account_change_password", ["Current password", "New password", "New password (again)"]),
    ],
)
def test_labels_when_shown_then_only_the_first_letter_is_a_capital(signed_in, name, labels):
    client = signed_in if name in ("account_email", "account_change_password") else Client()
    form = client.get(reverse(name)).context["form"]
    assert [field.label for field in form.visible_fields()] == labels


def test_password_reset_mail_when_sent_then_subject_is_plain(customer):
    Client().post(reverse("account_reset_password"), {"email": customer.email})
    assert [message.subject for message in mail.outbox] == ["Reset your password"]
