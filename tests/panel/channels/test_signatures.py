"""Signatures of webhooks, against vectors of other implementations."""

from __future__ import annotations

import base64

import pytest

from panel.channels.signatures import key_of, new_secret, sign

VECTORS = [
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "msg_upmark_000001",
        1793527209,
        "eyJwYXltZW50X2lkIjoibW9tby05OTEiLCJyZWZlcmVuY2UiOiJELTdmM2M5YSIsImFtb3VudCI6IjIwLjAwIiwiY3VycmVuY3kiOiJVU0QifQ==",
        "v1,VKATjCuDYRWVHw107D5Wp6ZRseCNgeHF5EQp4C24E+Y=",
    ),
    (
        "whsec_semTJFBb0y2g4fhdz14ZoJ2wSB6KFfYsQesyAwSo6Sc=",
        "msg_upmark_000004",
        1700000000,
        "e30=",
        "v1,mmu5VJ7znundbm73dVsPJqA66L9J7Bz+QZ10aTYu3Uc=",
    ),
]


@pytest.mark.parametrize(("secret", "uid", "timestamp", "body", "signature"), VECTORS)
def test_sign_when_of_a_vector_then_signs_alike(secret, uid, timestamp, body, signature):
    assert sign(secrets=[secret], uid=uid, timestamp=timestamp, body=base64.b64decode(body)) == signature


def test_sign_when_secrets_overlap_then_both_sign():
    old, new = VECTORS[0], new_secret()
    signed = sign(secrets=[new, old[0]], uid=old[1], timestamp=old[2], body=base64.b64decode(old[3]))
    assert signed.split()[1] == old[4]
    assert signed.split()[0] != old[4]


@pytest.mark.parametrize("secret", ["whsec_AAEC", "whsec_!", f"whsec_{'A' * 200}"])
def test_key_when_of_a_wrong_length_then_refused(secret):
    with pytest.raises(ValueError, match=r".+"):
        key_of(secret)
