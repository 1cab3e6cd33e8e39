"""What was typed when the session had ended: it waits for the sign-in, for whoever typed it and nobody else.

The forms carry a signature of the customer whom they were made for. Without it nothing is kept: visitors could fill
the database. Another customer who signs in with the same browser does not get it.
"""

from __future__ import annotations

from time import time
from typing import Any

from django.core import signing
from django.http import HttpRequest

SECONDS = 3600
# A form that was opened longer ago keeps nothing.
OPEN_FOR = 14 * 24 * 3600
_signer = signing.TimestampSigner(salt="orders.kept")


def owner_of(request: HttpRequest) -> str:
    """The signature of the customer, for a form to carry as `owner`."""
    return _signer.sign(str(request.user.pk))


def keep(request: HttpRequest, name: str, typed: object) -> bool:
    """Keeps `typed` for the customer: the one who is signed in, else whom the posted form was made for."""
    owner = str(request.user.pk) if request.user.is_authenticated else _signed_owner(request)
    if owner:
        request.session[name] = {"owner": owner, "at": int(time()), "typed": typed}
    return bool(owner)


def kept(request: HttpRequest, name: str) -> Any:
    """What was kept for this customer within the last hour; None without any."""
    found = request.session.get(name)
    if not found or found["owner"] != str(request.user.pk) or time() - found["at"] > SECONDS:
        return None
    return found["typed"]


def drop(request: HttpRequest, name: str) -> None:
    """The customer went on: it is not shown again."""
    request.session.pop(name, None)


def _signed_owner(request: HttpRequest) -> str:
    try:
        return _signer.unsign(request.POST.get("owner", ""), max_age=OPEN_FOR)
    except signing.BadSignature:
        return ""
