"""A panel in production's shape, and its Redis that is killed, hangs and forgets while customers order."""
