"""Code that knows no app: money, bulk SQL, keyset pages, encryption, CSV, tables, display of values.

Nothing here imports an app of the project or has tables of its own.
"""
