"""Signed calls: a program of the owner's, which sees money come in, says so in signed calls."""

from __future__ import annotations

from django.urls import path, reverse
from django.utils.translation import gettext_noop

from billing.intake.views import signed_call
from billing.methods import Method, register
from billing.models import Deposit


class Signed(Method):
    code = "signed"
    label = "Signed calls: your instructions, and a program of yours says what came in"
    button = gettext_noop("Show how to pay")
    has_reference = True
    # What a leaked secret could credit.
    destination = ("max_payment", "max_day")
    urls = (path("<int:pk>/", signed_call, name="signed_call"),)

    def begin(self, deposit: Deposit) -> str:
        return reverse("deposit_detail", args=[deposit.pk])


register(Signed())
