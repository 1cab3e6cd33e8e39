"""The grant: that one person of the staff, in one session, sees the pages of one customer until a time.

It is a row, whose number the session of the staff holds. So it ends for good once the row says so, and is of no use in
another session. Nobody is signed in by it.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest
from django.urls import get_script_prefix

from panel.accounts.models import User, Visit
from panel.accounts.sign_in.second_factor import lacks_second_factor
from panel.accounts.visits import KEPT, end, end_visit, visit_id_of
from panel.activity.record import record
from panel.lib import clock
from panel.lib.formats import zoned_moment_text

# What staff need, since all of it is on the customer's pages.
NEEDED = (
    "accounts.view_user",
    "accounts.view_as_customer",
    "orders.view_order",
    "orders.view_dripfeed",
    "billing.view_wallet",
    "billing.view_entry",
    "billing.view_deposit",
)
MAX_AGE = timedelta(minutes=15)
# The addresses of the pages begin with it, followed by the customer's number.
FOLDER = "view-as/"

MAY_NOT = "You may not view customers' pages."
NOT_VIEWABLE = "Only pages of customers can be viewed: none of the staff's, none of a closed account."


class VisitRefused(Exception):
    """The pages of this account cannot be viewed. The message is for the person who asked."""


class VisitOver(Exception):
    """There is no visit of this customer, or none any more. The message, which may be empty, ends a sentence."""


def may_view(staff: User) -> bool:
    """Return True if this person may view pages of customers."""
    return staff.is_staff and staff.has_perms(NEEDED) and not lacks_second_factor(staff)


def is_viewable(customer: User, *, by: User) -> bool:
    """Return True for customers who have an account. Also a blocked one's: it is often about them."""
    return customer.pk != by.pk and not (customer.is_staff or customer.is_superuser or customer.closed_at)


def address_of(customer_id: int, page: str = "") -> str:
    """Return the address at which staff see a page of the customer; `page` is its address without the first slash."""
    return f"{get_script_prefix()}{FOLDER}{customer_id}/{page}"


def check_visit(*, staff: User, customer: User) -> None:
    """Raise VisitRefused if `staff` may not view the pages of `customer`."""
    if not may_view(staff):
        raise VisitRefused(MAY_NOT)
    if not is_viewable(customer, by=staff):
        raise VisitRefused(NOT_VIEWABLE)


def begin_visit(*, request: HttpRequest, staff: User, customer: User) -> Visit:
    """Grant `staff` the pages of `customer`, instead of what this session viewed, and log it. Raise VisitRefused."""
    check_visit(staff=staff, customer=customer)
    began_at = clock.now()
    with transaction.atomic():
        is_again = Visit.objects.filter(pk=visit_id_of(request), customer=customer).exists()
        end_visit(request, how=Visit.End.AGAIN if is_again else Visit.End.ANOTHER)
        visit = Visit.objects.create(staff=staff, customer=customer, began_at=began_at, until=began_at + MAX_AGE)
        until = zoned_moment_text(visit.until)
        message = f"Began to view the customer's pages, reading only, until {until} at the latest."
        record(actor_id=staff.pk, objects=[customer], message=message)
    request.session[KEPT] = visit.pk
    return visit


def current_visit(request: HttpRequest, *, staff: User, customer_id: int) -> Visit:
    """Return the visit that is on now. Raise VisitOver; one that is allowed no more is ended and logged."""
    visits = Visit.objects.filter(pk=visit_id_of(request), staff=staff, customer=customer_id, ended_at=None)
    visit = visits.select_related("customer").first()
    if visit is None:
        raise VisitOver("")
    how = None
    # A time too far ahead is of a clock that was set back since.
    if not clock.now() < visit.until <= clock.now() + MAX_AGE:
        how = Visit.End.TIME
    elif not may_view(staff):
        how = Visit.End.RIGHT
    elif not is_viewable(visit.customer, by=staff):
        how = Visit.End.ACCOUNT
    if how is not None:
        end(visit, how=how)
        raise VisitOver(how.label)
    return visit


def is_visited(request: HttpRequest) -> bool:
    """Return True if the page is made for staff who view it, and not for the customer."""
    return hasattr(request, "visit")
