"""Drafts: what was typed when the session had ended, kept for the same customer to sign in again.

Forms carry a signature of their customer. Without it nothing is kept, or visitors could fill the database. Another
customer who signs in with the same browser does not get the draft.
"""

from __future__ import annotations

from time import time
from typing import Any

from django.core import signing
from django.http import HttpRequest

SECONDS = 3600
# A form opened longer ago than this keeps no draft.
OPEN_FOR = 14 * 24 * 3600
_signer = signing.TimestampSigner(salt="orders.kept")


def owner_of(request: HttpRequest) -> str:
    """Return the signature of the customer, for the form's field `owner`."""
    return _signer.sign(str(request.user.pk))


def keep(request: HttpRequest, name: str, typed: object) -> bool:
    """Keep `typed` for the signed-in customer, else for the customer of the form; return False without either."""
    owner = str(request.user.pk) if request.user.is_authenticated else _signed_owner(request)
    if owner:
        request.session[name] = {"owner": owner, "at": int(time()), "typed": typed}
    return bool(owner)


def kept(request: HttpRequest, name: str) -> Any:
    """Return this customer's draft of the last hour; None without one."""
    found = request.session.get(name)
    if not found or found["owner"] != str(request.user.pk) or time() - found["at"] > SECONDS:
        return None
    return found["typed"]


def drop(request: HttpRequest, name: str) -> None:
    """Delete the draft."""
    request.session.pop(name, None)


def _signed_owner(request: HttpRequest) -> str:
    try:
        return _signer.unsign(request.POST.get("owner", ""), max_age=OPEN_FOR)
    except signing.BadSignature:
        return ""
