"""What is compressed, and what never is."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from panel.lib.compression import FLUSH_BYTES, MIN_BYTES, NEVER_COMPRESSED, CompressionMiddleware, compressed
from tests import make

# Also what needs no database: a response that is closed closes old connections.
pytestmark = pytest.mark.django_db

LONG = "A line of text that is like the others.\n" * 200
GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def answered(response: Any, accepted: str = "gzip") -> Any:
    """Return the response as the middleware sends it to a browser that accepts these encodings."""

    def view(request: HttpRequest) -> Any:
        request.resolver_match = None
        return response

    return CompressionMiddleware(view)(RequestFactory().get("/", headers={"Accept-Encoding": accepted}))


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", "text/css", "image/svg+xml"])
def test_text_when_accepted_then_compressed_and_the_same(kind):
    response = answered(HttpResponse(LONG, content_type=kind, headers={"ETag": '"a"'}))
    assert response["Content-Encoding"] == "gzip"
    assert response["Vary"] == "Accept-Encoding"
    assert response["Content-Length"] == str(len(response.content))
    assert response["ETag"] == 'W/"a"'
    assert len(response.content) < len(LONG) / 10
    assert gzip.decompress(response.content).decode() == LONG


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "identity"])
def test_text_when_gzip_is_not_accepted_then_plain_and_caches_know(accepted):
    response = answered(HttpResponse(LONG), accepted)
    assert "Content-Encoding" not in response
    assert response["Vary"] == "Accept-Encoding"
    assert response.content.decode() == LONG


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse("x" * (MIN_BYTES - 1)),
        HttpResponse(LONG, content_type="image/png"),
        HttpResponse(LONG, content_type="application/pdf"),
        HttpResponse(status=304),
    ],
    ids=["short", "picture", "receipt", "not modified"],
)
def test_answer_when_there_is_nothing_to_save_then_plain(response):
    before = response.content
    assert "Content-Encoding" not in answered(response)
    assert response.content == before


def test_answer_when_encoded_already_then_left_alone():
    packed = gzip.compress(LONG.encode())
    response = answered(HttpResponse(packed, content_type="application/json", headers={"Content-Encoding": "gzip"}))
    assert response.content == packed


def test_lengths_when_the_same_text_is_sent_again_then_they_differ():
    assert len({len(answered(HttpResponse(LONG)).content) for _ in range(40)}) > 5


def test_stream_when_compressed_then_parts_arrive_while_it_runs():
    sent = 0

    def lines() -> Iterator[str]:
        nonlocal sent
        while True:
            sent += 100
            yield "x" * 100

    response = answered(StreamingHttpResponse(lines(), content_type="text/csv"))
    assert response["Content-Encoding"] == "gzip"
    reader = zlib.decompressobj(31)
    read = b""
    held = 0
    for chunk in response.streaming_content:
        held = max(held, sent - len(read))
        read += reader.decompress(chunk)
        if len(read) > 3 * FLUSH_BYTES:
            break
    # What was made and is not here yet is bounded, although the stream never ends.
    assert held < FLUSH_BYTES + 100
    response.close()


def test_stream_when_it_ends_then_whole():
    assert (
        gzip.decompress(b"".join(compressed(line.encode() for line in LONG.splitlines(keepends=True)))).decode() == LONG
    )
    assert gzip.decompress(b"".join(compressed([]))) == b""


def test_stream_when_closed_early_then_its_source_is_closed():
    closed = []

    def lines() -> Iterator[str]:
        try:
            while True:
                yield LONG
        finally:
            closed.append(True)

    response = answered(StreamingHttpResponse(lines(), content_type="text/csv"))
    next(iter(response.streaming_content))
    response.close()
    assert closed == [True]


# -- in the panel ----------------------------------------------------------------------------------


def test_never_compressed_when_named_then_each_is_a_view():
    for name in NEVER_COMPRESSED:
        arguments = [7] if name.startswith("api_key") else ["7"] if name.startswith("admin:") else []
        assert reverse(name, args=arguments)


def test_pages_when_they_show_secrets_then_never_compressed(signed_in, customer):
    RecoveryCodes.activate(customer)
    for name in ("mfa_activate_totp", "mfa_view_recovery_codes", "mfa_download_recovery_codes"):
        response = signed_in.get(reverse(name), headers=GZIP)
        assert "Content-Encoding" not in response, name
    response = signed_in.get(reverse("account"), headers=GZIP)
    assert response["Content-Encoding"] == "gzip"


def test_key_when_made_then_its_page_is_not_compressed(signed_in, customer):
    make.confirm_address(customer)
    form = signed_in.get(reverse("api_key_new")).content.decode()
    key = re.search(r'name="request_key" value="([^"]+)"', form)[1]
    data = {"name": "Shop", "networks": "", "daily_limit": "", "request_key": key}
    made = signed_in.post(reverse("api_key_new"), data)
    response = signed_in.get(made.url, headers=GZIP)
    assert response.resolver_match.view_name == "api_key_made"
    assert "Content-Encoding" not in response


def test_tokens_when_a_page_is_sent_twice_then_masked_anew(signed_in):
    tokens = set()
    for _ in range(2):
        text = gzip.decompress(signed_in.get(reverse("account_email"), headers=GZIP).content).decode()
        tokens.add(re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[1])
    assert len(tokens) == 2


def test_export_when_asked_compressed_then_streamed_compressed(signed_in):
    response = signed_in.get(reverse("order_export"), headers=GZIP)
    assert response.streaming and response["Content-Encoding"] == "gzip"
    assert b"," in gzip.decompress(b"".join(response.streaming_content))
    assert Client().get(reverse("healthz"), headers=GZIP).get("Content-Encoding") is None
