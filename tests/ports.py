"""Ports for the servers that tests start as processes of their own."""

from __future__ import annotations

import random
import socket

# Below what systems hand out to connections and to servers that ask for any port: a port of that range
# may be taken between looking and listening.
RANGE = range(20_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.choice(RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
