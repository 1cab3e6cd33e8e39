"""Read requests: form-encoded as the protocol says, multipart and JSON as some clients send."""

from __future__ import annotations

import json
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl


class Unreadable(Exception):
    """The body does not match its content type."""


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Return the parameters as text; of a repeated one the last counts. Raise Unreadable."""
    kind = content_type.split(";")[0].strip().lower()
    if kind == "application/json":
        return _json(body)
    if kind == "multipart/form-data":
        return _multipart(body, content_type)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1_000)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    return dict(pairs)


def _json(body: bytes) -> dict[str, str]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if not isinstance(data, dict):
        raise Unreadable("not an object")
    return {_clean(name): _text(value) for name, value in data.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return _clean(str(value))


def _clean(text: str) -> str:
    """Return the text without lone surrogates, which JSON may contain and no file can."""
    return text.encode("utf-8", "replace").decode()


def _multipart(body: bytes, content_type: str) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise Unreadable("no parts")
    params: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            params[_clean(name)] = content.decode("utf-8", "replace")
    return params
