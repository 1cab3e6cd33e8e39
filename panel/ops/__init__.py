"""What watches over all apps: the dashboard, the invariants, metrics, and the health of the tasks.

No other app imports it.
"""
