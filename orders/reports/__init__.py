"""Figures over many orders: what they earned, and how long services take.

Read-only. The pages that show them are elsewhere.
"""
