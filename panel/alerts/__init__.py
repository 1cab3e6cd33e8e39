"""Alerts to the owner, and heartbeats of tasks. Every app raises alerts, so this one imports none of them.

`panel.ops` holds the pages that show them.
"""
