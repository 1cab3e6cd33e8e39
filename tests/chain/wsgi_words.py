"""Values of the headers that control `tests.chain.wsgi`."""

from __future__ import annotations

# `X-Die-At`: kill the process when it has received the request, when it has debited the wallet but not committed, or
# when its answer is ready.
DEATHS = ("received", "debited", "answered")
RECEIVED, DEBITED, ANSWERED = DEATHS

# `X-Without`: the guard that is disabled for this request.
REQUEST_IDS, WINDOW = "request ids", "the window"
