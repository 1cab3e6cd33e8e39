"""The longest answer to an order and the lease around it: two settings that depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from panel.site import stored
from panel.site.registry import SUBMISSION_LEASE_SECONDS, UPSTREAM_ADD_TIMEOUT

# What is left of a lease for storing the answer, once `add` has timed out.
LEASE_SPARE_SECONDS = 2

# Settings that `conflicts` judges together.
DEPENDENT = frozenset({UPSTREAM_ADD_TIMEOUT.name, SUBMISSION_LEASE_SECONDS.name})


def conflicts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what settings that depend on each other get wrong under these stored texts, by the name of the setting."""
    timeout, lease = UPSTREAM_ADD_TIMEOUT.value_in(texts), SUBMISSION_LEASE_SECONDS.value_in(texts)
    if lease >= timeout + LEASE_SPARE_SECONDS:
        return {}
    return {
        SUBMISSION_LEASE_SECONDS.name: (
            f"It must be {LEASE_SPARE_SECONDS} seconds longer than the longest answer, which is {timeout:g} seconds: "
            "an order would be in doubt while its provider may still answer."
        )
    }


def submission_times() -> tuple[float, float]:
    """Return the longest answer to `add` and the lease around it, in seconds, of one moment.

    The lease is long enough for the answer, whatever the environment and the database say together.
    """
    texts = stored.texts()
    timeout = UPSTREAM_ADD_TIMEOUT.value_in(texts)
    return timeout, max(SUBMISSION_LEASE_SECONDS.value_in(texts), timeout + LEASE_SPARE_SECONDS)
