"""Reading the lines of bulk orders: separators, quotes, a header, and which cell is what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.service_types import SPECS
from orders.checkout.bulk_columns import Fields, LineRefused, LinesRefused, fields_of
from orders.checkout.bulk_text import (
    MAX_TEXT,
    BulkLine,
    count_lines,
    joined_texts,
    one_line,
    read_lines,
    read_text,
    text_of,
    with_corrections,
    with_one_line_each,
)
from panel.lib.csv_files import unguarded

LINK = "https://example.com/a"
QUERY = "https://example.com/?a=1,2;b=3|4"


def fields(line: BulkLine, service_type: str = "default") -> Fields | str:
    """Return what the line orders of this type, or what is wrong with it."""
    if line.error:
        return line.error
    try:
        return fields_of(spec=SPECS[service_type], cells=line.cells, columns=line.columns)
    except LineRefused as refusal:
        return str(refusal)


def read(text: str, service_type: str = "default") -> Fields | str:
    [line] = read_lines(text)
    return fields(line, service_type)


@pytest.mark.parametrize(
    "text",
    [
        "7 | https://example.com/a | 1000",
        "7|https://example.com/a|1000",
        "\t7\t|\thttps://example.com/a\t|\t1000\t",
        "#7 | https://example.com/a | 1000",
        "7\thttps://example.com/a\t1000",
        "7\thttps://example.com/a\t1000\t\t",
        "7,https://example.com/a,1000",
        "7, https://example.com/a,1000",
        "7 ; https://example.com/a ; 1000",
        "7;https://example.com/a;1000;;",
        '"7","https://example.com/a","1000"',
        '7, "https://example.com/a", 1000',
    ],
)
def test_line_when_written_in_a_usual_way_then_it_is_read(text):
    [line] = read_lines(text)
    assert (line.service_id, fields(line)) == (7, Fields(LINK, "1000", {}))


@pytest.mark.parametrize(
    ("text", "link", "quantity"),
    [
        (f"7 | {QUERY} | 100", QUERY, "100"),
        (f"7\t{QUERY}\t100", QUERY, "100"),
        (f"7 , {QUERY} , 100", QUERY, "100"),
        (f"7, {QUERY}, 100", QUERY, "100"),
        (f"7;{QUERY};100", QUERY, "100"),
        (f"7,{QUERY},100", QUERY, "100"),
        (f"7|{QUERY}|100", QUERY, "100"),
        (f"7 | {QUERY}|100", QUERY, "100"),
        (f'7,"{QUERY}",100', QUERY, "100"),
        (f'7;"{QUERY}";"1,000"', QUERY, "1,000"),
        ("7 | https://example.com/?a=1|2 | 100", "https://example.com/?a=1|2", "100"),
        ("7, https://example.com/a, 1,000", LINK, "1,000"),
        ("7 | https://example.com/?a=1|b", "https://example.com/?a=1|b", ""),
    ],
)
def test_link_when_it_holds_separators_then_it_stays_whole(text, link, quantity):
    assert read(text) == Fields(link, quantity, {})


def test_quantity_when_a_comma_could_separate_it_then_line_asks_for_it_without():
    for text in (f"7,{LINK},1,000", f"7, {LINK},1,500", f"service,link,quantity\n7,{LINK},1,500"):
        assert read(text) == "Write the quantity without a comma, such as 1000."


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("7", "with bars between them"),
        ("what is this", "with bars between them"),
        ("seven | x | 100", "Begin with the number"),
        ("-1 | x | 100", "Begin with the number"),
        ("1234567890123456789 | x | 100", "Begin with the number"),
        (f"7 | {LINK} | 100 | 200", "more columns than these: service | link | quantity."),
        (f"7\t{LINK}\t100\tmine", "more columns"),
    ],
)
def test_line_when_it_cannot_be_read_then_its_error_says_why(text, error):
    found = read(text)
    assert isinstance(found, str) and error in found


def test_lines_when_some_are_empty_then_others_keep_their_numbers():
    lines = read_lines("\r\n1 | a | 1\r\n\r\n   \r2 | b | 2\n")
    assert [(line.number, line.service_id) for line in lines] == [(2, 1), (5, 2)]


def test_lines_when_each_is_separated_otherwise_then_all_are_read():
    lines = read_lines("1 | a | 1\n2\tb\t2\n3,c,3\n4;d;4")
    assert [(line.service_id, fields(line)) for line in lines] == [
        (number, Fields(link, str(number), {})) for number, link in enumerate("abcd", start=1)
    ]


@pytest.mark.parametrize(
    "text", ["", "  \n\t\r\n", "1 | a | 1\n" * 1_001, "x" * (MAX_TEXT + 1), "service | link | quantity"]
)
def test_text_when_empty_or_too_long_then_it_is_refused(text):
    with pytest.raises(LinesRefused):
        read_lines(text)


def test_link_when_our_export_guarded_it_for_spreadsheets_then_unguarded():
    assert read("7,'@somebody,100") == Fields("@somebody", "100", {})


# -- a header ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"service | link | quantity\n7 | {LINK} | 100",
        f"Service ID;URL;Qty\n7;{LINK};100",
        f"quantity,name,service,link\n100,x,7,{LINK}",
        f"LINK\tservice\tquantity\tnote\n{LINK}\t7\t100\tmine",
        f'"service","link","quantity"\n"7","{LINK}","100"',
        f"\nservice,link,quantity\n\n7 | {LINK} | 100",
    ],
)
def test_header_when_it_names_columns_then_it_is_skipped_and_followed(text):
    [line] = read_lines(text)
    assert (line.service_id, fields(line)) == (7, Fields(LINK, "100", {}))


def test_header_when_service_or_link_is_missing_then_text_is_refused():
    with pytest.raises(LinesRefused, match="“link” is missing"):
        read_lines("service,quantity\n7,100")
    with pytest.raises(LinesRefused, match="“service” is missing"):
        read_lines("link | quantity\nx | 100")


def test_first_line_when_it_names_no_two_columns_then_it_is_a_line():
    assert [line.number for line in read_lines(f"name,price\n7,{LINK},100")] == [1, 2]
    assert [line.number for line in read_lines("7 | service | link")] == [1]


# -- further columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("custom_comments", f"7 | {LINK} | One, two!\\nThree", Fields(LINK, "", {"comments": "One, two!\nThree"})),
        ("custom_comments", f"7, {LINK}, One, two!\\nThree", Fields(LINK, "", {"comments": "One, two!\nThree"})),
        ("custom_comments", f"7 | {LINK} | A | B\\nC", Fields(LINK, "", {"comments": "A | B\nC"})),
        ("custom_comments", f'7,{LINK},,"One, ""two""!"', Fields(LINK, "", {"comments": 'One, "two"!'})),
        ("custom_comments", f"7 | {LINK} | 2 | A\\nB", Fields(LINK, "2", {"comments": "A\nB"})),
        ("custom_comments", f"7 | {LINK} | 2", Fields(LINK, "2", {"comments": ""})),
        ("custom_comments_package", f"7 | {LINK} | Nice", Fields(LINK, "", {"comments": "Nice"})),
        ("comment_replies", f"7\t{LINK}\t\tanna\tA\\nB", Fields(LINK, "", {"username": "anna", "comments": "A\nB"})),
        (
            "mentions_with_hashtags",
            f"7 | {LINK} | 100 | anna\\nben | x,y",
            Fields(LINK, "100", {"usernames": "anna\nben", "hashtags": "x\ny"}),
        ),
        ("package", f"7 | {LINK}", Fields(LINK, "", {})),
        ("package", f"7 | {LINK} | 1", Fields(LINK, "1", {})),
    ],
)
def test_line_when_its_type_asks_for_more_then_further_columns_hold_it(kind, text, expected):
    assert read(text, kind) == expected


def test_line_when_two_columns_could_hold_the_separator_then_it_asks_for_spaces():
    found = read("7|https://example.com/?a=1|b|Nice", "custom_comments")
    assert isinstance(found, str) and "Which “|” ends a column?" in found
    spaced = read("7 | https://example.com/?a=1|b | Nice", "custom_comments")
    assert spaced == Fields("https://example.com/?a=1|b", "", {"comments": "Nice"})


# -- cells of several lines ----------------------------------------------------------------------------


def test_cell_when_it_has_several_lines_then_the_order_gets_one_line():
    text = f'7\t{LINK}\t"Nice!\nSo ""good"""\n8,{LINK},"A\r\nB | C"\n9 | {LINK} | 100'
    assert with_one_line_each(text).split("\n") == [
        f'7 | {LINK} | Nice!\\nSo "good"',
        f"8\t{LINK}\tA\\nB | C",
        f"9 | {LINK} | 100",
    ]


@pytest.mark.parametrize("text", [f'7,"{LINK},100\n8,{LINK},100', f'7,{LINK},5" x\n8,{LINK},100', '7 | "x\n8 | y"'])
def test_quote_when_nothing_closes_it_then_lines_stay_as_they_are(text):
    assert with_one_line_each(text) == text


CELLS = st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from(' ,;|"#'), max_size=20)


@given(link=CELLS.filter(str.strip), comments=st.lists(CELLS.filter(str.strip), min_size=1, max_size=4))
def test_cells_when_written_as_one_line_then_they_read_as_they_were(link, comments):
    [line] = read_lines(one_line(["7", link, "", "\n".join(comments)]))
    assert (line.error, line.service_id) == ("", 7)
    found = fields_of(spec=SPECS["custom_comments"], cells=line.cells)
    text = "\n".join(one.strip() for one in comments)
    assert found.params["comments"] == text.replace("\\r\\n", "\n").replace("\\n", "\n")
    assert found.link == unguarded(link.strip())


@given(st.text(st.sampled_from('7#|,;\t "\nabservicelnk1000\\\r'), max_size=60))
def test_text_when_it_is_anything_then_read_or_refused(text):
    try:
        lines = read_lines(with_one_line_each(text))
    except LinesRefused:
        return
    for line in lines:
        for kind in ("default", "custom_comments", "comment_replies"):
            assert isinstance(fields(line, kind), (Fields, str))


# -- corrections ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "corrections", "expected"),
    [
        ("a\nb\nc", {2: ("b", "B")}, "a\nB\nc"),
        ("a\nb\nc", {2: ("b", "b"), 3: ("c", "")}, "a\nb\n"),
        ("a\r\n  b \r\nc", {2: ("b", "B")}, "a\nB\nc"),
        ("a\nB\nc", {2: ("b", "B")}, "a\nB\nc"),
        ("new\na\nb\nc", {2: ("b", "B")}, "new\na\nB\nc"),
        ("a\nelse\nc", {2: ("b", "B")}, "a\nelse\nc\nB"),
        ("a", {9: ("b", "B")}, "a\nB"),
        ("a", {9: ("b", "")}, "a"),
        ("a\nb", {1: ("a", "x\ny")}, "x y\nb"),
        ("new\nb\nb", {1: ("b", "B"), 2: ("b", "C")}, "new\nB\nC"),
        ("b\nnew\nb", {1: ("b", "B"), 9: ("b", "C")}, "B\nnew\nC"),
        ("b\nnew\nb", {8: ("b", "B"), 9: ("b", "C")}, "B\nnew\nC"),
    ],
)
def test_corrections_when_lines_moved_or_not_then_nothing_typed_is_lost(text, corrections, expected):
    assert with_corrections(text, corrections) == expected


def test_texts_when_joined_then_their_header_is_written_once():
    header = "service | link | comments"
    assert joined_texts(f"{header}\n1 | a | x", f"{header}\n2 | b | y") == f"{header}\n1 | a | x\n2 | b | y"
    assert joined_texts("1 | a | 1", "1 | a | 1") == "1 | a | 1\n1 | a | 1"
    assert joined_texts("", "1 | a | 1") == "1 | a | 1"


def test_text_of_lines_when_written_again_then_their_header_is_above():
    read_again = read_text("service | link\n\n1 | a\n2 | b")
    assert text_of(read_again.header, read_again.lines[1:]) == "service | link\n2 | b"
    assert text_of(read_again.header, []) == ""
    assert (count_lines("service | link\n\n1 | a\n2 | b"), count_lines(" \n")) == (2, 0)
