"""The mark of what was sent last, kept outside the database, and the check that the database still knows it.

A database that was replaced by an older one would send orders again. Its rows cannot show that; the mark does.
"""
