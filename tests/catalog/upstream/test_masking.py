"""What is one word in a provider's texts."""

from __future__ import annotations

import pytest

from catalog.upstream.masking import masked


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Code 40005", "Code 20001"),
        ("Code: 400051", "Code: 200011"),
        ("Error #40005", "Error #20001"),
        ("error_code=40005", "error_code=20001"),
        ("Err 40005: bad", "Err 20001: bad"),
        ("(#40005) Bad link", "(#20001) Bad link"),
        ("Ошибка №40005", "Ошибка №20001"),
        ("10001", "10002"),
        ("1000100", "1000200"),
        ("Error 5", "Error 7"),
    ],
)
def test_texts_when_they_may_be_different_codes_then_two(one: str, other: str) -> None:
    assert masked(one) != masked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Order 40005 is bad", "ORDER  20001 is bad"),
        ("Order #123456 is bad", "Order #654321 is bad"),
        ("Code 40005123", "Code 20001123"),
        ("Error in order 40005", "Error in order 20001"),
        ("Bad link https://a.example/1", "Bad link https://b.example/2"),
    ],
)
def test_texts_when_they_differ_by_order_then_one(one: str, other: str) -> None:
    assert masked(one) == masked(other)
