"""Roles that owners make: give one its rights, and delete one that nobody has."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from panel.accounts.models import Role
from panel.accounts.rights import permissions_of_rights, rights_in
from panel.accounts.roles import ROLES

MAX_NAMED = 5


class RoleRefused(Exception):
    """The role stays as it was; the message says why, for staff."""


def is_built_in(role: Group) -> bool:
    """Return True for the roles that come with the panel."""
    return role.name in ROLES


def rights_of(role: Group) -> frozenset[str]:
    """Return the keys of the role's rights."""
    held = role.permissions.values_list("content_type__app_label", "codename")
    return rights_in(f"{label}.{codename}" for label, codename in held)


def give_rights(*, role: Role, rights: Iterable[str], seen: Collection[str] | None) -> None:
    """Give the role exactly these rights and those that they need, all or none.

    `seen` are the rights that the form showed, None for a new role. Raise RoleRefused if they are others by now, or if
    the role is built in.
    """
    with transaction.atomic():
        locked = _lock(role)
        if seen is not None and rights_of(locked) != frozenset(seen):
            raise RoleRefused("Somebody changed this role since you opened the page. Nothing was changed; look again.")
        wanted = permissions_of_rights(rights)
        rows = Permission.objects.filter(codename__in=[one.partition(".")[2] for one in wanted])
        rows = rows.select_related("content_type")
        locked.permissions.set([row for row in rows if f"{row.content_type.app_label}.{row.codename}" in wanted])


def delete_role(*, role: Role) -> None:
    """Delete the role. Raise RoleRefused if somebody has it, or if it is built in."""
    with transaction.atomic():
        locked = _lock(role)  # Whoever gives it to somebody waits for this, and then finds no role.
        people = locked.user_set.order_by("email")
        count = people.count()
        if count:
            named = ", ".join(people.values_list("email", flat=True)[:MAX_NAMED])
            more = f" and {count - MAX_NAMED:,} more" if count > MAX_NAMED else ""
            raise RoleRefused(
                f"“{locked.name}” was not deleted: {named}{more} {'has' if count == 1 else 'have'} it. "
                "Give them another role first."
            )
        locked.delete()


def _lock(role: Role) -> Group:
    locked = Group.objects.select_for_update().filter(pk=role.pk).first()
    if locked is None:
        raise RoleRefused("Somebody deleted this role meanwhile.")
    if is_built_in(locked):
        raise RoleRefused("This role comes with the panel and stays as it is.")
    return locked
