"""Who must have a second factor: staff with a role of which the owner requires it."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.models import Group

from panel.accounts.models import User
from panel.accounts.roles import OWNER
from panel.site import sign_in_settings

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def lacks_second_factor(user: User) -> bool:
    """Return True if `user` must have a second factor, and has none yet. No query while no role needs one."""
    required = set(sign_in_settings.SECOND_FACTOR_ROLES.value)
    if not required or not user.is_staff:
        return False
    roles = set(user.groups.values_list("pk", flat=True))
    if user.is_superuser:
        roles |= set(Group.objects.filter(name=OWNER).values_list("pk", flat=True))
    # Who is on the staff without a role may have rights of their own.
    return bool(required & roles or not roles) and not is_mfa_enabled(user, FACTORS)
