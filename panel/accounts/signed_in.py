"""The signed-in user of a request."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from panel.accounts.models import User

# A customer or a member of staff, or an anonymous visitor.
AnyUser = User | AnonymousUser


def user_of(request: HttpRequest) -> User:
    """Return the signed-in user. Raise PermissionDenied for a visitor, whom the view should have stopped."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
