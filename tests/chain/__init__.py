"""Panels in their own processes that buy from each other, for tests of the API as it is served."""
