"""Views of the staff's list of orders: filters that a person saves under a name, for themselves or for all staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import Q

from orders.models import StaffView
from orders.models.saved_views import MAX_NAME, MAX_QUERY
from panel.accounts.models import User
from panel.accounts.roles import GRANT

# Of one person.
MAX_VIEWS = 20


class ViewRefused(ValueError):
    """Nothing was changed. The message is for the person of the staff."""


def views_for(*, user: User) -> list[StaffView]:
    """Return the views that the user's list shows as tabs: their own, then those that others share."""
    found = StaffView.objects.filter(Q(user=user) | Q(is_shared=True))
    return sorted(found, key=lambda view: view.user_id != user.pk)


def may_share(user: User) -> bool:
    """Return True for an owner, who alone decides what all staff see."""
    return user.has_perm(GRANT)


def may_change(user: User, view: StaffView) -> bool:
    """Return True if the user may change the view: it is their own and not shared, or they are an owner."""
    return may_share(user) if view.is_shared else view.user_id == user.pk


def save_view(*, user: User, name: str, query: str) -> StaffView:
    """Save the filters of `query`, which must be checked, as the user's last view. Raise ViewRefused."""
    name = _checked_name(name)
    _check_query(query)
    with _own_views(user) as views:
        same = next((view for view in views if view.name == name), None)
        if same and same.query == query:
            return same  # The second half of a double click.
        if same:
            raise ViewRefused(f"You have a view called “{name}” already. Choose another name, or update that one.")
        if len(views) >= MAX_VIEWS:
            raise ViewRefused(f"You have {MAX_VIEWS} views. Delete one to save another.")
        position = max((view.position for view in views), default=0) + 1
        return StaffView.objects.create(user=user, name=name, query=query, position=position)


def rename_view(*, view: StaffView, name: str) -> None:
    """Give the view another name. Raise ViewRefused."""
    name = _checked_name(name)
    try:
        with transaction.atomic():
            StaffView.objects.filter(pk=view.pk).update(name=name)
    except IntegrityError:
        raise ViewRefused(f"There is a view called “{name}” already. Choose another name.") from None


def update_view(*, view: StaffView, query: str) -> None:
    """Let the view stand for other filters, which must be checked. Raise ViewRefused."""
    _check_query(query)
    StaffView.objects.filter(pk=view.pk).update(query=query)


def share_view(*, view: StaffView, is_shared: bool) -> None:
    """Show the view to all staff, or to its own person alone again."""
    StaffView.objects.filter(pk=view.pk).update(is_shared=is_shared)


def move_view(*, user: User, view: StaffView, step: int) -> None:
    """Move one of the user's own views by one place: -1 to the front, 1 to the end."""
    with _own_views(user) as views:
        place = next((place for place, one in enumerate(views) if one.pk == view.pk), None)
        if place is None or not 0 <= place + step < len(views):
            return
        views[place], views[place + step] = views[place + step], views[place]
        for position, one in enumerate(views, start=1):
            one.position = position
        StaffView.objects.bulk_update(views, ["position"])


def delete_view(*, view: StaffView) -> None:
    """Delete the view; the orders stay as they are."""
    StaffView.objects.filter(pk=view.pk).delete()


@contextmanager
def _own_views(user: User) -> Iterator[list[StaffView]]:
    """Yield the user's own views, which nobody else changes meanwhile."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        yield list(StaffView.objects.filter(user=user))


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise ViewRefused("Give the view a name, such as what you look for in it.")
    if len(name) > MAX_NAME:
        raise ViewRefused(f"Choose a name of at most {MAX_NAME} characters.")
    return name


def _check_query(query: str) -> None:
    if not query:
        raise ViewRefused("Set a filter or search for something first.")
    if len(query) > MAX_QUERY:
        raise ViewRefused("These filters are too long to be saved. Search for less.")
