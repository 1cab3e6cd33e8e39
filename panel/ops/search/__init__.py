"""Finds anything for staff: first by exact keys, each through its index, then by text, then pages and things to do."""
