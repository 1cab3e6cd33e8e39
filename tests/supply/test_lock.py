"""The locked requirements: each package once, with hashes, and what the `.in` files ask for."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply.lock import DEVELOPMENT, ROOT, RUNTIME, read_lock


def asked_for(name: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_lock_when_read_then_each_package_has_hashes(name):
    packages = read_lock(name)
    assert packages
    for one in packages:
        assert one.hashes and all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in one.hashes), one.name
    wanted = [one.name for one in packages if one.is_wanted]
    assert len(wanted) == len(set(wanted))


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_lock_when_read_then_it_fits_what_is_asked_for(name):
    locked = {one.name: one.version for one in read_lock(name)}
    for wanted in asked_for(name.replace(".txt", ".in")):
        assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), wanted


def test_development_when_locked_then_has_what_runs_on_servers_unchanged():
    assert set(read_lock(RUNTIME)) <= set(read_lock(DEVELOPMENT))


def test_compiled_package_when_locked_then_other_systems_are_covered():
    """Hashes of one machine's files alone would stop every other machine. A wheel for each of five systems has many."""
    hashes = {one.name: len(one.hashes) for one in read_lock(RUNTIME)}
    assert all(hashes[name] > 20 for name in ("cffi", "charset-normalizer", "psycopg-binary", "cryptography"))


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT, "requirements.in", "requirements-dev.in"])
def test_requirements_when_shared_then_name_no_index_and_no_path(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"https?:|file:|--(?:extra-)?index|--find-links|--trusted", text)


def test_make_when_installing_then_only_what_has_a_known_hash():
    installs = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert len(installs) == 2 and all("--require-hashes" in line for line in installs)
