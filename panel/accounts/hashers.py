"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher

DEFAULT_PARAMETERS = "$m=102400,t=2,p=8$"


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with the figures that OWASP recommends.

    Django's take 100 MB and eight threads for each attempt to sign in: the threads of two web workers would need 1.6 GB
    for strangers who try passwords.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def must_update(self, encoded: str) -> bool:
        """Return False for a stored hash of Django's figures: they are safe, and a renewed hash ends sessions."""
        return DEFAULT_PARAMETERS not in encoded and super().must_update(encoded)
