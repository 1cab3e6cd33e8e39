"""Alerts to the owner, and heartbeats of tasks: raised by every app, so it knows none of them.

The pages that gather them are in `panel.ops`.
"""
