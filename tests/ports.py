"""Find ports for the servers that tests start in separate processes."""

from __future__ import annotations

import random
import socket

# Below the range from which systems assign ports to connections and to servers that bind port 0: such a port could be
# in use again before the server listens.
RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.choice(RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
