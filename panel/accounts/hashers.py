"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with the figures that OWASP recommends.

    Django's take 100 MB and eight threads for each attempt to sign in: the threads of two web workers would need 1.6 GB
    for strangers who try passwords. Stored hashes have their own figures, and are renewed at the next sign-in.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1
