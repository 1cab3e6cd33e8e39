"""Compare the locked packages with the list of known vulnerabilities: `python -m tests.supply.audit`.

Exits with 1 if one is known, and with 2 if the list could not be asked about each package: nothing is proven then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.supply.lock import DEVELOPMENT, ROOT

# Seconds for each question, and for all.
TIMEOUT, LONGEST = 20, 600
FOUND, UNKNOWN = 1, 2
UNREACHED = "The list of vulnerabilities did not answer, so nothing is known. Run this again with a network."


def audit() -> int:
    """Print what is found. Return the exit code."""
    # Without pip: the file names every package, so nothing is resolved or installed.
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    try:
        run = subprocess.run(
            [*command, "--format", "json", "--timeout", str(TIMEOUT), "--requirement", DEVELOPMENT],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        code, said = UNKNOWN, UNREACHED
    else:
        code, said = judged(run.stdout, run.stderr)
    print(said, file=sys.stderr if code else sys.stdout)
    return code


def judged(out: str, err: str) -> tuple[int, str]:
    """Return the exit code and the text for what pip-audit answered.

    It succeeds, too, if its service knew not one of the packages: a mirror serves the files alone.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = err.strip().rpartition("\n")[2]
        return UNKNOWN, f"{UNREACHED} {reason}".strip()
    lines = [f"{one['name']} {one['version']}: {_named(vuln)}" for one in packages for vuln in one.get("vulns", ())]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if skipped:
        lines.append(f"No answer about {len(skipped)} of {len(packages)} packages, {skipped[0]} the first: unknown.")
    if len(lines) > bool(skipped):
        return FOUND, "\n".join((*lines, "Renew with `make lock ONLY=PACKAGE`, then run the tests."))
    if skipped or not packages:
        return UNKNOWN, "\n".join((UNREACHED, *lines))
    return 0, f"No known vulnerabilities in {len(packages)} packages."


def _named(vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability.get("fix_versions", ())) or "no version yet"
    return f"{vulnerability['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(audit())
