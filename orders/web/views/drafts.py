"""What was posted when the session had ended, kept for the same customer to sign in again.

Forms carry a signature of their customer. Without it nothing is kept, or visitors could fill the database; with it only
so many, as whoever has an account has a signature. Another customer who signs in with the same browser does not get the
draft.
"""

from __future__ import annotations

from time import time
from typing import Any

from django.core import signing
from django.http import HttpRequest

from panel.accounts.client_address import client_address
from panel.accounts.view_as.grant import is_visited
from panel.lib.request_counts import counted_address, seconds_to_wait

SECONDS = 3600
# Drafts of visitors that are kept in an hour, for each customer and from each address.
MAX_OF_CUSTOMER, MAX_FROM_ADDRESS = 20, 60
# A form opened longer ago than this keeps no draft.
OPEN_FOR = 14 * 24 * 3600
_signer = signing.TimestampSigner(salt="orders.kept")


def owner_of(request: HttpRequest) -> str:
    """Return the signature of the customer, for the form's field `owner`; none for staff who view the form."""
    if is_visited(request):
        return ""
    return _signer.sign(str(request.user.pk))


def is_owner(request: HttpRequest) -> bool:
    """Return True if the posted form was the signed-in customer's own."""
    return _signed_owner(request) == str(request.user.pk)


def has_owner(request: HttpRequest) -> bool:
    """Return True if the posted form was one that this site gave to a customer."""
    return bool(_signed_owner(request))


def browser_mark_of(request: HttpRequest) -> str:
    """Return the same text for a customer each time, by which a browser knows whose typing it keeps.

    None for staff who view the page: theirs keeps nothing of it.
    """
    if is_visited(request):
        return ""
    return signing.Signer(salt="orders.browser").signature(str(request.user.pk))


def keep(request: HttpRequest, name: str, typed: object) -> bool:
    """Keep `typed` for the signed-in customer, else for the customer of the form.

    Return False without either, and if too many were kept for the customer of the form in this hour.
    """
    if request.user.is_authenticated:
        owner = str(request.user.pk)
    else:
        owner = _signed_owner(request)
        if owner and _are_too_many(request, owner):
            return False
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


def _are_too_many(request: HttpRequest, owner: str) -> bool:
    address = counted_address(client_address(request))
    limits = {f"drafts-of:{owner}": MAX_OF_CUSTOMER, f"drafts-from:{address}": MAX_FROM_ADDRESS}
    return any(seconds_to_wait(name=name, most=most, window=3600) for name, most in limits.items())


def _signed_owner(request: HttpRequest) -> str:
    try:
        return _signer.unsign(request.POST.get("owner", ""), max_age=OPEN_FOR)
    except signing.BadSignature:
        return ""
