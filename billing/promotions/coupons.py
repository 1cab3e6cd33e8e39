"""Take coupons for deposits, and give them back when nothing comes of a deposit.

A coupon is taken in the transaction that creates its deposit, by an update that is filtered on the uses left: of many
customers at once who want the last use, one gets it.
"""

from __future__ import annotations

import re
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from billing.models import Coupon, Deposit, PaymentMethod, Redemption
from panel.lib import clock
from panel.lib.money import format_money

MAX_CODE = 30
# Redemptions of expired requests that one round gives back.
BATCH = 200
# After a request expired, for how long its coupon stays with it: money may be on its way.
GRACE = timedelta(hours=1)

_CODE = re.compile(rf"[A-Z0-9-]{{3,{MAX_CODE}}}")
_HAS_USES_LEFT = Q(max_uses=None) | Q(uses__lt=F("max_uses"))


class CouponRefused(Exception):
    """The coupon cannot be used for this. The message is for the customer."""


def clean_code(text: str) -> str:
    """Return a code as it is stored. Raise ValueError, with words for the owner."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise ValueError(f"Use 3 to {MAX_CODE} letters A to Z, digits and hyphens.")
    return code


def are_coupons_offered() -> bool:
    """Return True if a customer may have a coupon to type."""
    now = clock.now()
    has_begun, ends_later = Q(starts_at=None) | Q(starts_at__lte=now), Q(ends_at=None) | Q(ends_at__gt=now)
    return Coupon.objects.filter(has_begun, ends_later, is_active=True).exists()


def check_coupon(*, code: str, customer_id: int, method: PaymentMethod, amount: int) -> Coupon:
    """Return the coupon if the customer may use it for `amount` micro-units by `method`. Raise CouponRefused."""
    coupon = Coupon.objects.filter(code__iexact=code.strip()[:MAX_CODE], is_active=True).first()
    now = clock.now()
    if coupon is None or (coupon.starts_at and coupon.starts_at > now):
        raise CouponRefused(_("There is no such coupon. Check how it is spelled."))
    if coupon.ends_at and coupon.ends_at <= now:
        raise CouponRefused(_("This coupon has ended."))
    if coupon.methods.exists() and not coupon.methods.filter(pk=method.pk).exists():
        raise CouponRefused(_("This coupon is not for this way to pay."))
    if amount < coupon.minimum:
        least = format_money(coupon.minimum, settings.PANEL_CURRENCY)
        raise CouponRefused(_("This coupon is for %(amount)s or more.") % {"amount": least})
    if coupon.is_for_first and _has_paid(customer_id):
        raise CouponRefused(_("This coupon is for the first deposit only."))
    if _uses_of(coupon, customer_id) >= coupon.max_uses_each:
        raise CouponRefused(_("You have used this coupon already."))
    if coupon.max_uses is not None and coupon.uses >= coupon.max_uses:
        raise CouponRefused(_("This coupon is used up."))
    return coupon


def _uses_of(coupon: Coupon, customer_id: int) -> int:
    return Redemption.objects.filter(coupon=coupon, customer=customer_id, given_back_at=None).count()


def _has_paid(customer_id: int, *, but: int = 0) -> bool:
    """Return True if a deposit of the customer, other than `but`, was approved, or has a coupon for the first one."""
    paid = Q(state=Deposit.State.APPROVED)
    promised = Q(redemption__coupon__is_for_first=True, redemption__given_back_at=None)
    return Deposit.objects.filter(paid | promised, customer=customer_id).exclude(pk=but).exists()


def redeem_coupon(*, coupon: Coupon, deposit: Deposit) -> Redemption:
    """Promise the coupon to a deposit. Call it in the deposit's transaction, with its customer's wallet locked.

    Raise CouponRefused if somebody took the last use meanwhile.
    """
    if not _take(coupon.pk):
        raise CouponRefused(_("This coupon is used up."))
    return Redemption.objects.create(
        coupon=coupon,
        deposit=deposit,
        customer_id=deposit.customer_id,
        bonus_bp=coupon.bonus_bp,
        amount=coupon.amount,
        # Without a minimum of its own a cent would earn a coupon of an amount.
        minimum=max(coupon.minimum, deposit.method.minimum),
        created_at=clock.now(),
    )


def _take(coupon_id: int) -> bool:
    return Coupon.objects.filter(_HAS_USES_LEFT, pk=coupon_id).update(uses=F("uses") + 1) == 1


def give_back_coupon(*, deposit_id: int) -> None:
    """Free the coupon of a deposit that was canceled or refused, if it has one. Call it in a transaction."""
    _give_back(Redemption.objects.filter(deposit=deposit_id))


def _give_back(redemptions: QuerySet[Redemption]) -> int:
    given = 0
    for redemption in redemptions:
        row = Redemption.objects.filter(pk=redemption.pk, given_back_at=None)
        if row.update(given_back_at=clock.now()):
            Coupon.objects.filter(pk=redemption.coupon_id).update(uses=F("uses") - 1)
            given += 1
    return given


def give_back_expired() -> int:
    """Free coupons of requests that expired without money, at most BATCH. Return how many."""
    waiting = Deposit.objects.filter(state=Deposit.State.PENDING, expires_at__lte=clock.now() - GRACE)
    with transaction.atomic():
        # Locked, so that none is credited with its coupon meanwhile; those that are being credited are skipped.
        expired = (
            waiting.filter(redemption__given_back_at=None, redemption__isnull=False)
            .order_by("expires_at")
            .select_for_update(of=("self",), skip_locked=True)
        )
        return _give_back(Redemption.objects.filter(deposit__in=[deposit.pk for deposit in expired[:BATCH]]))


def coupon_bonus(*, deposit: Deposit, credited: int) -> int:
    """Return what the deposit's coupon adds to `credited` micro-units in all; 0 without one.

    A request that expired gave its coupon back. Its late money takes it again, if the customer might still use it now;
    a request that the customer canceled, or that was refused, has lost it. Call it in the transaction that credits,
    with the customer's wallet and the deposit locked.
    """
    redemption = Redemption.objects.select_related("coupon").filter(deposit=deposit).first()
    if redemption is None or (redemption.given_back_at is not None and not _take_again(redemption, deposit)):
        return 0
    return redemption.bonus_of(credited)


def _take_again(redemption: Redemption, deposit: Deposit) -> bool:
    coupon = redemption.coupon
    if deposit.state != Deposit.State.PENDING or _uses_of(coupon, deposit.customer_id) >= coupon.max_uses_each:
        return False
    if coupon.is_for_first and _has_paid(deposit.customer_id, but=deposit.pk):
        return False
    if not _take(coupon.pk):
        return False
    Redemption.objects.filter(pk=redemption.pk).update(given_back_at=None)
    return True
