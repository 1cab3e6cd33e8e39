"""A form that was sent and waits for a confirmation, kept in the page that asks for it.

It is encrypted: what it holds may be secret, and what is confirmed is what was shown. It is good for a quarter of an
hour, for the person who sent it and the object it was about.
"""

from __future__ import annotations

import json
import time

from django.http import HttpRequest, QueryDict

from panel.lib.crypto import Undecryptable, decrypt, encrypt

# The hidden field that carries it.
KEPT = "kept-form"
MAX_AGE_SECONDS = 15 * 60


class KeptTooOld(Exception):
    """It is too old, or of somebody or something else."""

    def __init__(self) -> None:
        super().__init__("This page is too old to confirm. Nothing was changed; make the change again.")


def keep_form(*, request: HttpRequest, object_id: str | None, confirmed: str) -> str:
    """Return the request's form as text for a hidden field. `confirmed` names what the person is shown to confirm."""
    kept = {
        "post": {name: request.POST.getlist(name) for name in request.POST},
        "user": request.user.pk,
        "object": object_id,
        "confirmed": confirmed,
        "at": time.time(),
    }
    return encrypt(json.dumps(kept))


def open_kept(text: str, *, request: HttpRequest, object_id: str | None) -> tuple[QueryDict, str]:
    """Return the form that was kept, and what was confirmed with it. Raise KeptTooOld."""
    try:
        kept = json.loads(decrypt(text))
    except (Undecryptable, ValueError):
        raise KeptTooOld from None
    is_fresh = 0 <= time.time() - kept["at"] <= MAX_AGE_SECONDS
    if not is_fresh or (kept["user"], kept["object"]) != (request.user.pk, object_id):
        raise KeptTooOld
    post = QueryDict(mutable=True)
    for name, values in kept["post"].items():
        post.setlist(name, values)
    return post, kept["confirmed"]
