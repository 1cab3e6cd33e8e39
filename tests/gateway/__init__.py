"""A gateway that keeps books of its own and misbehaves on demand, and its door."""
