"""Errors that nobody expected: each is an alert of its place, and has a number that the page shows."""
