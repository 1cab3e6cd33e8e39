"""The customer's kept order, on the pages and in the mails about the money that it waits for."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.template import Context
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from billing.wallets import spendable
from orders.common.drafts import draft_of
from orders.models import OrderDraft
from panel.accounts.models import User
from panel.lib.templatetags.display import money_up_text, number

register = template.Library()

MAX_NAME = 60


@register.inclusion_tag("orders/_kept_order.html", takes_context=True)
def kept_order(context: Context) -> dict[str, Any]:
    """Return the context of the notice that the signed-in customer's order waits for money; empty if none does."""
    customer = context["request"].user
    draft = _waiting(customer)
    if draft is None:
        return {}
    missing = (draft.charge or 0) - spendable(customer=customer)
    return {"text": _words(draft), "missing": max(0, missing), "here": context["request"].path}


@register.simple_tag
def kept_order_line(customer: User) -> str:
    """Return the paragraph of a mail about the order that waits for money; "" if none does."""
    draft = _waiting(customer)
    if draft is None:
        return ""
    line = _("%(order)s Nothing is charged until you confirm it. Continue the order: %(address)s")
    return line % {"order": _words(draft), "address": f"{settings.SITE_URL}{reverse('order_new')}"}


def _waiting(customer: User) -> OrderDraft | None:
    draft = draft_of(customer=customer)
    return draft if draft is not None and draft.is_short else None


def _words(draft: OrderDraft) -> str:
    values = {
        "quantity": number(draft.quantity),
        "service": Truncator(draft.service_name).chars(MAX_NAME),
        "charge": money_up_text(draft.charge),
    }
    if draft.quantity is None:
        return _("Your order is kept: %(service)s, %(charge)s.") % values
    return _("Your order is kept: %(quantity)s of %(service)s, %(charge)s.") % values
