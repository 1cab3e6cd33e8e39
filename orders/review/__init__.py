"""Orders that need a person: the reason, the evidence, and what staff may decide.

The pages are in `orders.admin`; nothing here is decided automatically.
"""
