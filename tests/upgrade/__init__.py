"""Tests that upgrade the release before to this one, on one database, one broker and the same providers."""
