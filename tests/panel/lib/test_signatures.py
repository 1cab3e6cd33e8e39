"""Signatures of webhooks, against vectors of other implementations."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from panel.lib.signatures import BadSignature, key_of, new_secret, sign, verify

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


CALLS = json.loads((Path(__file__).parent / "vectors" / "standard_webhooks.json").read_text())["vectors"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_verify_when_of_a_vector_then_as_it_says(call):
    body = base64.b64decode(call["body_b64"])

    def check():
        return verify(secrets=call["secrets"], headers=call["headers"], body=body, now=call["now"])

    if call["valid"]:
        assert check() == call["headers"]["webhook-id"]
    else:
        with pytest.raises(BadSignature):
            check()


@pytest.mark.parametrize(
    "signature", ["", "v1", "v1,", "v1,\udcff", ",,,", "v1,ä", "v1a,x v2,y", " ".join(["v1,x"] * 5_000)]
)
def test_verify_when_the_signature_is_garbage_then_refused_and_nothing_else_raised(signature):
    headers = {"webhook-id": "a", "webhook-timestamp": "1000", "webhook-signature": signature}
    with pytest.raises(BadSignature):
        verify(secrets=[new_secret()], headers=headers, body=b"{}", now=1000)
