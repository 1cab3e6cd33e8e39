"""Trials of providers: what they understand and answer, and which settings they need."""
