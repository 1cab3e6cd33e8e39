"""The pages and mails of allauth speak as the rest of the panel does."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

# What pages say is the same on any database; what they tell of is tested elsewhere, on both.
pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("account_login", ["E-mail", "Password"]),
        ("account_signup", ["E-mail", "Password"]),
        ("account_reset_password", ["E-mail"]),
        ("account_email", ["E-mail"]),
        ("account_change_password", ["Current password", "New password", "New password (again)"]),
    ],
)
def test_labels_have_one_capital_letter(signed_in, name, labels):
    client = signed_in if name in ("account_email", "account_change_password") else Client()
    form = client.get(reverse(name)).context["form"]
    assert [field.label for field in form.visible_fields()] == labels


def test_mail_to_reset_a_password_has_a_subject_in_plain_words(customer):
    Client().post(reverse("account_reset_password"), {"email": customer.email})
    assert [message.subject for message in mail.outbox] == ["Reset your password"]
