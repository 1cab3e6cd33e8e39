"""What a request to `tests.chain.wsgi` may ask for, in the words of its headers."""

from __future__ import annotations

# `X-Die-At`: the process is killed when it has the request, when the wallet is debited but nothing is committed yet, or
# when its answer is ready.
DEATHS = ("received", "debited", "answered")
RECEIVED, DEBITED, ANSWERED = DEATHS

# `X-Without`: what is not guarded, as if the panel had been built without it.
REQUEST_IDS, WINDOW = "request ids", "the window"
