"""The panel as the owner's own: its name, its logo and its colours.

Knows no app: what pages show of orders or money is added by those.
"""
