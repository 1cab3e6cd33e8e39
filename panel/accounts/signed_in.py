"""Who is signed in, and who only visits."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from panel.accounts.models import User

# A customer or one of the staff, or a visitor.
AnyUser = User | AnonymousUser


def user_of(request: HttpRequest) -> User:
    """Return who is signed in. Raise PermissionDenied for a visitor, whom the view should not have let in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
