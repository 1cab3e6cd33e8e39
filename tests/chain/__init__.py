"""Panels that buy from each other, as processes of their own, for tests of the served API."""
