"""Stored secrets: encrypted, readable after key rotation, and a clear error when damaged."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from panel.lib.crypto import Undecryptable, decrypt, encrypt


def test_encrypt_when_decrypted_then_equal_and_ciphertext_hides_it():
    for secret in ("", "k", "sk_live_key", "é中👍", "x" * 5_000):
        text = encrypt(secret)
        assert text.isascii()
        assert len(secret) < 2 or secret not in text
        assert decrypt(text) == secret
    assert encrypt("same") != encrypt("same")


def test_decrypt_when_keys_rotated_then_works_while_old_key_kept(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    first = encrypt("secret")
    settings.FIELD_ENCRYPTION_KEYS = [new, f" {old} "]
    assert decrypt(first) == "secret"
    second = encrypt("secret")
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert decrypt(second) == "secret"
    with pytest.raises(Undecryptable) as caught:
        decrypt(first)
    assert "secret" not in str(caught.value).replace("stored secret", "")
    assert old not in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "é", "gAAAAA==", "A" * 200])
def test_decrypt_when_text_is_damaged_then_undecryptable(text):
    with pytest.raises(Undecryptable):
        decrypt(text)
