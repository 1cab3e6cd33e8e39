"""Figures over many orders: what they earned, and how long services take.

Read only: nothing here changes an order. Pages show them elsewhere.
"""
