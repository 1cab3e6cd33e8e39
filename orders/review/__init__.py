"""Orders that need a person: why, with which evidence, and what staff may decide.

The pages for it are in `orders.admin`; nothing here is decided by itself.
"""
