"""Pieces that know no app: money, bulk SQL, pages by key, crypto, CSV, tables, the look of values.

Nothing here imports an app of the project, or has tables of its own.
"""
