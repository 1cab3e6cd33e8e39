"""References of deposits: a short code that the payer writes with the payment, and finding the deposit by it again."""

from __future__ import annotations

import re
import secrets

from billing.models import Deposit

# Without letters and digits that are taken for one another.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 8
# Words of a reference that are looked up: banks put their own text around.
MAX_WORDS = 20
_WORD = re.compile(r"[0-9A-Z]+")


def new_code() -> str:
    """Return a code that no deposit has."""
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        if not Deposit.objects.filter(code=code).exists():
            return code


def shown_code(code: str) -> str:
    """Return the code as people read and write it: "7F3C-9A2K"."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def codes_in(reference: str) -> list[str]:
    """Return what may be a code in a reference as a bank gives it. Pure."""
    words = _WORD.findall(reference.upper().replace("-", ""))[:MAX_WORDS]
    # A bank may break the code in two, where its hyphen was.
    joined = [first + second for first, second in zip(words, words[1:], strict=False)]
    return [word for word in (*words, *joined) if len(word) == CODE_LENGTH and set(word) <= set(ALPHABET)]


def deposit_of(*, reference: str, number: int | None = None) -> Deposit | None:
    """Return the deposit that a payment is for: by the number that its gateway gave, else by the one code in its text.

    A number in the text counts for nothing: payers write numbers of their own. Return None if number and code disagree.
    """
    coded = list(Deposit.objects.filter(code__in=codes_in(reference))[:2])
    if number is None:
        return coded[0] if len(coded) == 1 else None
    numbered = Deposit.objects.filter(pk=number).first()
    return None if coded and coded != [numbered] else numbered
