"""The page "Settings" of the admin."""
