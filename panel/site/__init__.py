"""The owner's settings: typed, stored in the database, read through a snapshot; and the branding made of them.

    registry  what can be set       kinds   how each is read and shown     stored  the snapshot
    services  change and undo       files   logo and favicon               admin   the page "Settings"

Imports no app: those add what pages show of orders or money.
"""
