"""The roof: what watches over all apps. The dashboard, the invariants, metrics, and the health of the tasks.

Nothing below imports it.
"""
