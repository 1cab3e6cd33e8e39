"""What staff may do about a customer, as links to the forms that do it and lead back to the customer's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from billing.models import Wallet
from panel.accounts.blocking import is_blocked, may_be_blocked
from panel.accounts.models import User
from panel.accounts.roles import GRANT
from panel.accounts.signed_in import user_of
from panel.accounts.view_as.grant import is_viewable, may_view
from panel.lib.admin.ways_back import NEXT
from panel.lib.own_account import is_own
from panel.ops.customers.states import member_of


@dataclass(frozen=True, slots=True)
class Action:
    """A link to a form. An ellipsis in the label says that it asks first. `look` is a class of the style sheet."""

    label: str
    icon: str
    url: str
    look: str = ""


def actions_for(request: HttpRequest, customer: User) -> Iterator[Action]:
    """Yield what this person may do. Each form checks it again, and refuses what is about one's own account."""
    back = urlencode({NEXT: reverse("customer", args=[customer.pk])})
    may = request.user.has_perm
    is_other = not is_own(actor=request.user, customer_id=customer.pk)
    wallet = Wallet.objects.filter(customer=customer).only("pk").first() if may("billing.add_entry") else None
    if wallet and is_other:
        yield Action(
            "Add money…", "add", f"{reverse('admin:billing_wallet_move_money', args=[wallet.pk])}?{back}", "is-main"
        )
    if may("catalog.change_groupmember") and member_of(customer) and is_other:
        page = reverse("admin:catalog_groupmember_change", args=[customer.pk])
        yield Action("Change group…", "loyalty", f"{page}?{back}")
    if may("catalog.add_groupmember") and not member_of(customer) and is_other:
        yield Action(
            "Add to group…",
            "loyalty",
            f"{reverse('admin:catalog_groupmember_add')}?{urlencode({'customer': customer.pk})}&{back}",
        )
    if may_view(user_of(request)) and is_viewable(customer, by=user_of(request)):
        yield Action("View as customer…", "visibility", reverse("customer_view_as", args=[customer.pk]))
    if _may_change(request, customer):
        yield from _account_actions(customer, back)
    yield Action("Account", "person", reverse("admin:accounts_user_change", args=[customer.pk]))


def _account_actions(customer: User, back: str) -> Iterator[Action]:
    if customer.is_active:
        page = reverse("admin:accounts_user_send_password_link", args=[customer.pk])
        yield Action("Send password link…", "lock_reset", f"{page}?{back}")
    if may_be_blocked(customer):
        yield Action(
            "Block…", "block", f"{reverse('admin:accounts_user_block', args=[customer.pk])}?{back}", "is-danger"
        )
    if is_blocked(customer):
        yield Action("Unblock…", "lock_open", f"{reverse('admin:accounts_user_unblock', args=[customer.pk])}?{back}")


def _may_change(request: HttpRequest, customer: User) -> bool:
    """Return what the admin of accounts says: who hands out roles changes staff, and a closed account stays."""
    if customer.closed_at or not request.user.has_perm("accounts.change_user"):
        return False
    if request.user.is_superuser:
        return True
    return not customer.is_superuser and (not customer.is_staff or request.user.has_perm(GRANT))
