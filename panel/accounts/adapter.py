"""What the panel does otherwise than allauth."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import PermissionDenied

from panel.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def set_password(self, user: Any, password: str) -> None:
        """Set the password of an account that is as it was read; raise PermissionDenied otherwise.

        Hashing takes a while. A link that was good when it began must neither set the password of an account that was
        moved to another address meanwhile, nor write the old address back.
        """
        before = user.password
        user.set_password(password)
        same = User.objects.filter(
            pk=user.pk, email=user.email, password=before, session_generation=user.session_generation
        )
        if not same.update(password=user.password):
            raise PermissionDenied
