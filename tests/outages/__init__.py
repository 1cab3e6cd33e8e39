"""A panel in production's shape, whose Redis is killed, hangs and forgets while customers order."""
