"""The demo: a panel with a sandbox provider and a month of history. Only `manage.py demo` imports it."""
