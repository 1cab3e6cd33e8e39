"""Compression of answers: pages, JSON and CSV, but no page that shows a secret. See docs/security.md on BREACH."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

# Views that show a secret, by name. What is compressed can tell by its length what it holds.
NEVER_COMPRESSED = frozenset(
    {
        "api_key_made",
        "mfa_activate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
        "admin:channels_channel_new_secret",
        "admin:channels_channel_link_chat",
    }
)
# Below it, the header and the padding cost what is saved.
MIN_BYTES = 1_000
TYPES = frozenset({"text/html", "text/css", "text/csv", "text/plain", "application/json", "image/svg+xml"})
# Streamed text is sent on after so many bytes at the latest, whatever the compressor still holds.
FLUSH_BYTES = 64_000
# As `gzip.compress`, and as GZipMiddleware for what is not streamed.
_LEVEL, _GZIP = 6, 31

_QUALITY = re.compile(r"q=(1(?:\.0{0,3})?|0(?:\.[0-9]{0,3})?)")


def accepts_gzip(header: str) -> bool:
    """Return True if `Accept-Encoding` accepts gzip, without "q=0"; False if it cannot be read."""
    for offer in header.lower().split(","):
        name, _, quality = offer.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            weight = _QUALITY.fullmatch(quality.replace(" ", "") or "q=1")
            return weight is not None and weight[1].strip("0.") != ""
    return False


class CompressionMiddleware(GZipMiddleware):
    """Compresses what browsers and programs accept compressed; each answer gets a padding of random length.

    Views of `NEVER_COMPRESSED` are sent as they are: they show secrets, and a length would tell of them.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        kind = response.get("Content-Type", "").partition(";")[0].strip().lower()
        match = request.resolver_match
        if kind not in TYPES or (match is not None and match.view_name in NEVER_COMPRESSED):
            return response
        if response.has_header("Content-Encoding"):
            return response
        if isinstance(response, StreamingHttpResponse):
            return _stream(request, response)
        assert isinstance(response, HttpResponse)  # noqa: S101  (Django has no third kind)
        if len(response.content) < MIN_BYTES:
            return response
        if not accepts_gzip(request.headers.get("Accept-Encoding", "")):
            patch_vary_headers(response, ("Accept-Encoding",))
            return response
        found: HttpResponseBase = super().process_response(request, response)
        return found


def _stream(request: HttpRequest, response: StreamingHttpResponse) -> StreamingHttpResponse:
    patch_vary_headers(response, ("Accept-Encoding",))
    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
        response.streaming_content = compressed(response.streaming_content)  # type: ignore[arg-type]
        response["Content-Encoding"] = "gzip"
        del response["Content-Length"]
    return response


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks compressed with gzip. No more than `FLUSH_BYTES` of them wait for what follows."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    waiting = 0
    for chunk in chunks:
        waiting += len(chunk)
        packed = packer.compress(chunk)
        if waiting >= FLUSH_BYTES:
            waiting = 0
            packed += packer.flush(zlib.Z_SYNC_FLUSH)
        if packed:
            yield packed
    yield packer.flush()
