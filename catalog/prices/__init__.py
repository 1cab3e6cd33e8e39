"""Prices: `rules` is pure; the other modules apply margins, discounts and agreed prices to stored data.

All changes of margins go through `changes`, with history and undo.
"""
