"""The secret of a new key on its way from the form that made it to the page that shows it, once.

It travels in the session, encrypted, and is taken out there when it is shown: a reload finds nothing. Shown by the
answer to the form itself, it would be lost with the first answer of a double click, and a reload would send the
form again.
"""

from __future__ import annotations

import json
import time
from collections.abc import MutableMapping
from typing import Any

from panel.accounts.models import ApiKey
from panel.api.keys.services import NewKey
from panel.lib.crypto import Undecryptable, decrypt, encrypt

SECONDS = 60
_PLACE = "new_api_key"

Session = MutableMapping[str, Any]


def hand_over(*, session: Session, made: NewKey) -> None:
    """Leaves the secret for `take_over`, for a minute. The last one that was left is kept alone."""
    parcel = {"key": made.key.pk, "secret": made.secret, "until": time.time() + SECONDS}
    session[_PLACE] = encrypt(json.dumps(parcel))


def take_over(*, session: Session, key: ApiKey) -> str | None:
    """The secret of `key` if it was left a moment ago; it is gone from the session then, whoever it was for."""
    text = session.pop(_PLACE, None)
    try:
        parcel = json.loads(decrypt(text)) if text else {}
    except Undecryptable:
        return None  # The panel's encryption keys were changed this minute.
    if parcel.get("key") != key.pk or time.time() > parcel["until"]:
        return None
    return str(parcel["secret"])


def forget(*, session: Session) -> None:
    """Takes out what nobody came for."""
    if _PLACE in session:
        del session[_PLACE]
