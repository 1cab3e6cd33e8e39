"""Close an account: what says who the customer is goes, what says what was bought and paid stays."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from billing import ledger
from billing.deposits import waiting_deposits
from billing.models import Entry, Payment, Wallet
from billing.wallets import lock_wallet, wallet_of
from catalog.models import Favourite
from orders.models import CustomerFigures, DripFeed, Order, OrderColumns, OrderDraft, SavedView, StaffView
from orders.states import OPEN, DripState
from panel.accounts.models import AccountMail, ApiKey, CustomerNote, SignIn, User
from panel.accounts.notices import queue_notice
from panel.activity.record import Change, record
from panel.lib import clock
from panel.news.models import NewsChoice, NewsItem, NewsMail
from panel.site import registry as site

log = structlog.get_logger(__name__)

# RFC 2606: no mail to it can ever arrive, and nobody can sign up with it.
CLOSED_DOMAIN = "closed.invalid"


class ClosingRefused(Exception):
    """The account was not closed. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the way of closing an account. `balance` is in micro-units; a positive one may be given up."""

    has_open_orders: bool
    has_drip_feeds: bool
    has_deposits: bool
    is_staff: bool
    balance: int

    @property
    def may_close(self) -> bool:
        return self.balance >= 0 and not (
            self.has_open_orders or self.has_drip_feeds or self.has_deposits or self.is_staff
        )


def standing_of(*, customer: User) -> Standing:
    """Return what stands in the way now. Each part is one lookup in an index."""
    return Standing(
        has_open_orders=Order.objects.filter(customer=customer, status__in=OPEN).exists(),
        has_drip_feeds=DripFeed.objects.filter(customer=customer, state=DripState.RUNNING).exists(),
        has_deposits=waiting_deposits(customer_id=customer.pk).exists() or _has_payments(customer),
        is_staff=customer.is_staff or customer.is_superuser,
        balance=wallet_of(customer=customer).balance,
    )


def _has_payments(customer: User) -> bool:
    """Return True if money has come in that is not credited yet."""
    on_its_way = (Payment.State.SEEN, Payment.State.HELD)
    return Payment.objects.filter(deposit__customer=customer, state__in=on_its_way).exists()


def close_account(*, customer: User, gives_up: int) -> None:
    """Close the account of `customer`, as it was read, for good.

    `gives_up` is the balance, in micro-units, that the customer saw and leaves behind. Raise ClosingRefused if it
    differs from the balance now, if orders run, or if the account changed meanwhile.

    The wallet is locked first, as by whatever creates orders. So an order that began before is seen here, and one that
    comes later finds an empty wallet.
    """
    wallet = wallet_of(customer=customer)
    with transaction.atomic():
        lock_wallet(customer_id=customer.pk)
        standing = standing_of(customer=customer)
        if not standing.may_close:
            raise ClosingRefused(_("Something is still open. Nothing was changed."))
        if standing.balance != gives_up:
            raise ClosingRefused(_("Your balance changed meanwhile. Nothing was done. Look at it, and decide again."))
        _leave_wallet(wallet, gives_up)
        _forget(customer)
        closed = User.objects.get(pk=customer.pk)
        record(
            actor_id=customer.pk,
            objects=[closed],
            message="The customer closed the account.",
            changes=[Change("closed", False, True), Change("balance", gives_up, 0)],
        )
    log.info("account closed", customer=customer.pk)


def _leave_wallet(wallet: Wallet, balance: int) -> None:
    """Take what is given up out of the wallet, and the credit with it: nothing can be ordered from it any more."""
    ledger.end_credit(wallet_id=wallet.pk)
    if balance:
        ledger.post(
            wallet_id=wallet.pk,
            amount=-balance,
            kind=Entry.Kind.ADJUSTMENT,
            key=f"closing:{wallet.customer_id}",
            memo=_("Given up when the account was closed"),
        )


def _forget(customer: User) -> None:
    """Empty or delete what says who the customer is. Raise ClosingRefused if the account changed since it was read."""
    now = clock.now()
    same = User.objects.filter(
        pk=customer.pk,
        email=customer.email,
        password=customer.password,
        session_generation=customer.session_generation,
        is_active=True,
        is_staff=False,
    )
    closed = same.update(
        email=f"closed-{customer.pk}@{CLOSED_DOMAIN}",
        first_name="",
        last_name="",
        password=make_password(None),
        is_active=False,
        invited_at=None,
        last_login=None,
        time_zone="",
        blocked_reason="",
        session_generation=F("session_generation") + 1,
        closed_at=now,
    )
    if not closed:
        raise ClosingRefused(_("Your account changed meanwhile. Nothing was changed. Try it again."))
    ApiKey.objects.filter(customer=customer, revoked_at=None).update(revoked_at=now)
    ApiKey.objects.filter(customer=customer).update(name="", networks=[], last_address=None)
    sessions = UserSession.objects.filter(user=customer)
    Session.objects.filter(session_key__in=list(sessions.values_list("session_key", flat=True))).delete()
    sessions.delete()
    for model in (EmailAddress, Authenticator, AccountMail, SignIn, StaffView, OrderColumns):
        model.objects.filter(user=customer).delete()
    for model in (Favourite, SavedView, NewsItem, NewsMail, NewsChoice, OrderDraft, CustomerNote, CustomerFigures):
        model.objects.filter(customer=customer).delete()
    panel = site.PANEL_NAME.value
    context = {
        "panel_name": panel,
        "support_email": site.SUPPORT_EMAIL.value,
        "support_url": site.SUPPORT_URL.value,
    }
    queue_notice(
        user=customer,
        recipient=customer.email,
        subject=_("Your account was closed · %(panel)s") % {"panel": panel},
        body=render_to_string("mail/account_closed.txt", context),
    )
