"""Browsers in which somebody signed in to an account before: a signed cookie for each account.

A known device may still sign in while strangers use up the account's limit of wrong passwords, and sends no mail about
a new one. The cookie alone opens nothing.
"""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import get_random_string

from panel.accounts.models import User

MAX_AGE = timedelta(days=400)
# Cookies are the visitor's: no more are read.
MAX_COOKIES = 5
_SALT = "panel.accounts.sign_in.devices"


def device_of(request: HttpRequest, *, user: User) -> str:
    """Return the id of the device, if `user` signed in with it before and did not end all sessions since; else ""."""
    kept = _read(request.COOKIES.get(_name(user.pk), ""))
    return kept[2] if kept and kept[:2] == (user.pk, user.session_generation) else ""


def device_for(request: HttpRequest, *, typed: str) -> str:
    """Return the id of the device as `device_of`, for the account that signs in with the address `typed`."""
    prefix = f"{settings.DEVICE_COOKIE_NAME}-"
    for name in [name for name in request.COOKIES if name.startswith(prefix)][:MAX_COOKIES]:
        kept = _read(request.COOKIES[name])
        user = User.objects.filter(pk=kept[0]).first() if kept else None
        if user is not None and _signs_in_with(user, typed):
            return device_of(request, user=user)
    return ""


def remember_device(request: HttpRequest, response: HttpResponseBase, *, user: User) -> None:
    """Set the cookie by which the device is known as one of `user`."""
    device = device_of(request, user=user) or get_random_string(22)
    response.set_cookie(
        _name(user.pk),
        signing.dumps([user.pk, user.session_generation, device], salt=_SALT),
        max_age=MAX_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _name(pk: int) -> str:
    return f"{settings.DEVICE_COOKIE_NAME}-{pk}"


def _read(value: str) -> tuple[int, int, str] | None:
    try:
        pk, generation, device = signing.loads(value, salt=_SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    return int(pk), int(generation), str(device)


def _signs_in_with(user: User, typed: str) -> bool:
    if user.email.lower() == typed.lower():
        return True
    return EmailAddress.objects.filter(user=user, email=typed.lower(), verified=True).exists()
