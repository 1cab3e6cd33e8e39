"""The grant: that one person of the staff, in one session, sees the pages of one customer until a time.

It lies in the session of the staff, so it ends with it and is of no use in another. Nobody is signed in by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from django.urls import get_script_prefix

from panel.accounts.models import User
from panel.accounts.sign_in.second_factor import lacks_second_factor
from panel.activity.record import record
from panel.lib import clock
from panel.lib.formats import moment_text

# What staff need, since all of it is on the customer's pages.
NEEDED = (
    "accounts.view_user",
    "accounts.view_as_customer",
    "orders.view_order",
    "billing.view_wallet",
    "billing.view_entry",
    "billing.view_deposit",
)
MAX_AGE = timedelta(minutes=15)
# The addresses of the pages begin with it, followed by the customer's number.
FOLDER = "view-as/"
_KEPT = "view_as"

MAY_NOT = "you may not view customers' pages"
NOT_VIEWABLE = "Only pages of customers can be viewed: none of the staff's, none of a closed account."
TIME_OVER = "the 15 minutes are over"


class VisitRefused(Exception):
    """The pages of this account cannot be viewed. The message is for the person who asked."""


class VisitOver(Exception):
    """There is no grant for this customer, or none any more. The message, which may be empty, ends a sentence."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a person of the staff looks at."""

    customer: User
    staff: User
    until: datetime


def may_view(staff: User) -> bool:
    """Return True if this person may view pages of customers."""
    return staff.is_staff and staff.has_perms(NEEDED) and not lacks_second_factor(staff)


def is_viewable(customer: User, *, by: User) -> bool:
    """Return True for customers who have an account. Also a blocked one's: it is often about them."""
    return customer.pk != by.pk and not (customer.is_staff or customer.is_superuser or customer.closed_at)


def address_of(customer_id: int, page: str = "") -> str:
    """Return the address at which staff see a page of the customer; `page` is its address without the first slash."""
    return f"{get_script_prefix()}{FOLDER}{customer_id}/{page}"


def begin_visit(*, request: HttpRequest, staff: User, customer: User) -> Visit:
    """Grant `staff` the pages of `customer`, instead of another's, and log it. Raise VisitRefused."""
    if not may_view(staff):
        raise VisitRefused(f"{MAY_NOT.capitalize()}.")
    if not is_viewable(customer, by=staff):
        raise VisitRefused(NOT_VIEWABLE)
    end_visit(request, why="another customer's pages were opened")
    until = clock.now() + MAX_AGE
    request.session[_KEPT] = {"staff": staff.pk, "customer": customer.pk, "until": until.timestamp()}
    record(
        actor_id=staff.pk,
        objects=[customer],
        message=f"Began to view the customer's pages, reading only, until {moment_text(until)} at the latest.",
    )
    return Visit(customer, staff, until)


def current_visit(request: HttpRequest, *, staff: User, customer_id: int) -> Visit:
    """Return the visit that is granted now. Raise VisitOver; a grant that holds no more is ended and logged."""
    kept = request.session.get(_KEPT)
    if not kept or (kept["staff"], kept["customer"]) != (staff.pk, customer_id):
        raise VisitOver("")
    until = datetime.fromtimestamp(kept["until"], UTC)
    customer = User.objects.filter(pk=customer_id).first()
    over = ""
    # A time too far ahead is of a clock that was set back since.
    if not clock.now() < until <= clock.now() + MAX_AGE:
        over = TIME_OVER
    elif not may_view(staff):
        over = MAY_NOT
    elif customer is None or not is_viewable(customer, by=staff):
        over = "the account is not a customer's any more"
    if over or customer is None:
        end_visit(request, why=over)
        raise VisitOver(over)
    return Visit(customer, staff, until)


def end_visit(request: HttpRequest, *, why: str) -> None:
    """End the grant of this session, if there is one, and log it."""
    kept = request.session.pop(_KEPT, None)
    if kept and (customer := User.objects.filter(pk=kept["customer"]).first()):
        record(actor_id=kept["staff"], objects=[customer], message=f"Viewing the customer's pages ended: {why}.")
