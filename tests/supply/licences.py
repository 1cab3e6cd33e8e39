"""Write docs/licences.md: `python -m tests.supply.licences`. `--check` only says whether it is current."""

from __future__ import annotations

import sys
from importlib import metadata

from tests.supply.lock import DEVELOPMENT, ROOT, RUNTIME, Locked, read_lock

PAGE = ROOT / "docs" / "licences.md"
HEAD = """\
# Licences of what we depend on

Written by `make licences` from the packages' own metadata. Do not edit it.
"""
# Licences whose text is in the package alone, and packages that some systems do not install.
KNOWN = {
    "async-timeout": "Apache-2.0",
    "axe-playwright-python": "MIT",
    "colorama": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
}
_OSI = "License :: OSI Approved :: "


class Unknown(Exception):
    """A package states no licence that can be read. The message names it."""


def page() -> str:
    """Return the text of the page. Raise Unknown, or PackageNotFoundError if the environment is not the locked one."""
    runtime = read_lock(RUNTIME)
    names = {one.name for one in runtime}
    development = [one for one in read_lock(DEVELOPMENT) if one.name not in names]
    return "\n".join(
        (
            HEAD,
            "## The panel\n",
            *_table(runtime),
            "\n## Tests and tools\n",
            "Nothing of this is installed on a server.\n",
            *_table(development),
            "",
        )
    )


def _table(packages: list[Locked]) -> list[str]:
    rows = [f"| {one.name} | {one.version} | {_licence(one)} |" for one in packages]
    return ["| package | version | licence |", "|---|---|---|", *rows]


def _licence(package: Locked) -> str:
    if package.name in KNOWN:
        return KNOWN[package.name]
    about = metadata.metadata(package.name)
    stated = about.get("License-Expression") or ""
    classified = [one.removeprefix(_OSI) for one in about.get_all("Classifier") or [] if one.startswith(_OSI)]
    written = (about.get("License") or "").strip()
    licence = stated or ", ".join(classified) or (written if 0 < len(written) <= 60 else "")
    if not licence or "\n" in licence:
        raise Unknown(f"{package.name} states no licence. Look it up, and add it to KNOWN in {__name__}.")
    return licence.replace("|", "/")


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        is_current = PAGE.exists() and PAGE.read_text() == text
        print("docs/licences.md is current." if is_current else "docs/licences.md is old: run `make licences`.")
        return 0 if is_current else 1
    PAGE.write_text(text)
    print("docs/licences.md: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
