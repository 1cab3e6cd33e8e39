"""Pass the secret of a new key from the form that created it to the page that shows it, once.

The session carries it encrypted, and showing it removes it: a reload finds nothing. If the form's own response
showed it, a double click would lose it with the first response, and a reload would send the form again.
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


def leave_secret(*, session: Session, made: NewKey) -> None:
    """Leave the secret for `take_secret`, for a minute. Only the last one is kept."""
    parcel = {"key": made.key.pk, "secret": made.secret, "until": time.time() + SECONDS}
    session[_PLACE] = encrypt(json.dumps(parcel))


def take_secret(*, session: Session, key: ApiKey) -> str | None:
    """Return the secret of `key` if it was left within the last minute. Remove it from the session in any case."""
    text = session.pop(_PLACE, None)
    try:
        parcel = json.loads(decrypt(text)) if text else {}
    except Undecryptable:
        return None  # The panel's encryption keys were changed within this minute.
    if parcel.get("key") != key.pk or time.time() > parcel["until"]:
        return None
    return str(parcel["secret"])


def forget(*, session: Session) -> None:
    """Remove a secret that was never shown."""
    if _PLACE in session:
        del session[_PLACE]
