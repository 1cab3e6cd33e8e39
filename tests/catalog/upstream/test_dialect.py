"""Settings of a dialect: what is refused, at which setting, and how they are stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.upstream.dialect import ACTING, STANDARD, Dialect, DialectError, dialect_from_json, dialect_to_json
from catalog.upstream.parsing_many import parse_statuses
from catalog.upstream.standard_text import to_standard, with_standard_names

WHOLE = Dialect(
    names={"link": "url", "order": "order_id", "orders": "order_id"},
    key_header="Authorization: Bearer",
    get_actions=frozenset(["status", "balance"]),
    addresses={"status": "/status", "add": "https://b.example/add"},
    requests_a_minute=60,
    connect_timeout=5,
    read_timeout=20,
    add_timeout=70,
    asks_singly=True,
    status_codes={"1": "completed", "-1": "canceled"},
    any_case=True,
)


@pytest.mark.parametrize("dialect", [WHOLE, STANDARD, Dialect(asks_singly=True)])
def test_dialect_when_stored_then_the_same_again(dialect):
    assert dialect_from_json(json.loads(json.dumps(dialect_to_json(dialect)))) == dialect


@pytest.mark.parametrize("stored", [None, {}])
def test_dialect_when_nothing_is_stored_then_standard(stored):
    assert dialect_from_json(stored) == STANDARD
    assert dialect_to_json(STANDARD) == {}


@pytest.mark.parametrize(
    "stored",
    [[], "x", {"method": "GET"}, {"names": []}, {"names": {"link": 1}}, {"asks_singly": 1}, {"get_actions": "status"}]
    + [{"get_actions": ["add"]}, {"requests_a_minute": "60"}, {"requests_a_minute": True}, {"key_header": None}],
)
def test_dialect_when_stored_form_is_unknown_then_refused(stored):
    """Sent without a setting that it does not know, a request might do something else."""
    with pytest.raises(DialectError):
        dialect_from_json(stored)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("names", {"url": "link"}, "“url” is no parameter"),
        ("names", {"link": "a b"}, "letters, digits"),
        ("names", {"link": "é"}, "letters, digits"),
        ("names", {"link": "quantity"}, "both be “quantity”"),
        ("names", {"link": "x", "quantity": "x"}, "both be “x”"),
        ("names", {"order": "key"}, "both be “key”"),
        ("key_header", "X Api", "name of a header"),
        ("key_header", "Host", "sets it itself"),
        ("key_header", "content-length: Bearer", "sets it itself"),
        ("key_header", "X-Api-Key: k3y-0123456789", "added, and is not entered here"),
        ("key_header", "X-Api-Key\r\nX: y", "name of a header"),
        ("get_actions", frozenset(["add"]), "only be sent by POST"),
        ("get_actions", frozenset(["cancel", "status"]), "only be sent by POST"),
        ("addresses", {"buy": "/x"}, "no action"),
        ("addresses", {"add": "x"}, "a path such as"),
        ("addresses", {"add": "//evil.example/x"}, "a path such as"),
        ("addresses", {"add": "ftp://a.example/x"}, "a path such as"),
        ("addresses", {"add": "https:///x"}, "a path such as"),
        ("addresses", {"add": "https://u:p@a.example/x"}, "no user name"),
        ("addresses", {"add": "/x y"}, "characters"),
        ("addresses", {"add": "/x\r\n"}, "characters"),
        ("addresses", {"add": "/" + "x" * 300}, "too long"),
        ("requests_a_minute", 0, "Enter 1 to 6,000"),
        ("requests_a_minute", 6_001, "Enter 1 to 6,000"),
        ("connect_timeout", 0, "Enter 1 to 60 seconds"),
        ("read_timeout", 4, "Enter 5 to 55 seconds"),
        ("add_timeout", 9_999, "Enter 1 to 3,600 seconds"),
        ("status_codes", {"done": "completed"}, "no number"),
        ("status_codes", {"1": "done"}, "“done” is no status"),
    ],
)
def test_setting_when_wrong_then_refused_by_its_name(setting, value, words):
    with pytest.raises(DialectError, match=words) as caught:
        Dialect(**{setting: value})
    assert caught.value.setting == setting


@pytest.mark.parametrize("action", ACTING)
def test_method_when_settings_were_forged_then_post(action):
    dialect = Dialect()
    object.__setattr__(dialect, "get_actions", frozenset(ACTING))
    assert dialect.method(action) == "POST"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/x", "https://a.example/x"),
        ("/x?y=1", "https://a.example/x?y=1"),
        ("https://b.example/x", "https://b.example/x"),
    ],
)
def test_address_when_path_or_whole_then_that_of_the_action(address, expected):
    dialect = Dialect(addresses={"status": address})
    assert dialect.address("https://a.example/api/v2", "status") == expected
    assert dialect.address("https://a.example/api/v2", "add") == "https://a.example/api/v2"


# -- answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Order": 1}', '{"order": 1}'),
        ('{"STATUS" : "Order"}', '{"status" : "Order"}'),
        ('{"StartCount": 1, "orderID": 2}', '{"start_count": 1, "order_id": 2}'),
        ('{"error": "\\"Order\\": 5"}', '{"error": "\\"Order\\": 5"}'),
        ('{"Foo": {"Remains": 1}}', '{"Foo": {"remains": 1}}'),
        ('["Order"]', '["Order"]'),
        ('{"ord_Order": 1}', '{"ord_Order": 1}'),
        ('{"Order', '{"Order'),
    ],
)
def test_names_when_in_another_case_then_the_standards(text, expected):
    assert with_standard_names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"status": 1, "charge": "0"}', '{"status": "completed", "charge": "0"}'),
        ('{"charge": "0", "status": "1"}', '{"charge": "0", "status": "completed"}'),
        ('{"7": {"status": 1, "remains": 0}, "8": {"status": 2, "remains": 0}}', None),
        ('[{"order": 7, "remains": {}, "status": 1}]', '[{"order": 7, "remains": {}, "status": "completed"}]'),
        # No order: a flag, or an error.
        ('{"status": 1, "message": "no such order"}', ...),
        ('{"status": 1, "data": {"charge": "0"}}', ...),
        # No number of ours.
        ('{"status": 1.0, "charge": "0"}', ...),
        ('{"status": 11, "charge": "0"}', ...),
        ('{"status": [1], "charge": "0"}', ...),
        ('{"status": "Completed", "charge": "0"}', ...),
        ('{"note": "{\\"status\\": 1, \\"charge\\": 0}"}', ...),
        ('{"status": 1, "charge": "0"', ...),
    ],
)
def test_status_numbers_when_of_an_order_then_words(text, expected):
    found = to_standard(text, Dialect(status_codes={"1": "completed"}), action="status")
    if expected is None:
        expected = text.replace('"status": 1', '"status": "completed"')
    assert found == (text if expected is ... else expected)


def test_status_numbers_when_not_of_status_then_left_alone():
    text = '{"status": 1, "charge": "0"}'
    assert to_standard(text, Dialect(status_codes={"1": "completed"}), action="refill_status") == text


@given(st.text(alphabet='{}[]":,\\ -0123456789eE.aOrderStatuschge\n', max_size=200))
def test_answer_when_of_any_form_then_no_character_is_lost(text):
    """Nothing changes but names and numbers that are meant."""
    assert to_standard(text, Dialect(status_codes={"9999": "completed"}), action="status") == text
    assert with_standard_names(text).lower().replace("_", "") == text.lower().replace("_", "")


def test_answer_when_a_name_comes_twice_then_still_contradicts_itself():
    text = '{"7": {"Status": "Completed", "status": "Canceled", "charge": "0", "remains": "0"}}'
    found = parse_statuses(to_standard(text, Dialect(any_case=True), action="status"), ["7"])
    assert getattr(found.get("7"), "status", None) is None


def test_statuses_when_far_too_long_then_left_as_they_are() -> None:
    text = '{"7": {"charge": "1", "status": 1}}'
    dialect = Dialect(status_codes={"1": "completed"})
    assert "ompleted" in to_standard(text, dialect, action="status")
    longer = text + " " * 500_000
    assert to_standard(longer, dialect, action="status") == longer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Status": "Status"}', '{"status": "Status"}'),
        (r'{"x": "a \"Status\": b", "Charge" : 1}', r'{"x": "a \"Status\": b", "charge" : 1}'),
        (r'{"x": "a\\", "ORDER_ID": 1}', r'{"x": "a\\", "order_id": 1}'),
        ('{"Nobodys": 1, "": 2}', '{"Nobodys": 1, "": 2}'),
    ],
)
def test_names_when_in_another_case_then_only_names_change(text: str, expected: str) -> None:
    assert to_standard(text, Dialect(any_case=True), action="status") == expected
