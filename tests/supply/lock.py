"""Read the locked requirements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
HASH = "--hash=sha256:"


@dataclass(frozen=True, slots=True)
class Locked:
    """One locked package. `marker` says where it is installed; "" for everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def is_wanted(self) -> bool:
        """Return True if it is installed with this Python on this system."""
        marker = Requirement(f"{self.name}; {self.marker}").marker if self.marker else None
        return marker is None or marker.evaluate()


def read_lock(name: str) -> list[Locked]:
    """Return the packages of a file at the root. Raise ValueError for a line that pins no single version."""
    found = []
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        pinned, *hashes = line.split(HASH)
        requirement = Requirement(pinned.strip())
        specifiers = list(requirement.specifier)
        if len(specifiers) != 1 or specifiers[0].operator != "==" or requirement.url:
            raise ValueError(f"{name}: {pinned.strip()} is no single version.")
        marker = str(requirement.marker or "")
        hashes = [one.strip() for one in hashes]
        found.append(Locked(canonicalize_name(requirement.name), specifiers[0].version, marker, tuple(hashes)))
    return found
