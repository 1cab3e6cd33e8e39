"""Prices: `rules` are pure; the others apply margins, discounts and agreed prices to what is stored.

All changes of margins go through `changes`, with history and undo.
"""
