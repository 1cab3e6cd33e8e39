"""Outgoing HTTP through `requests`, guarded: we know what was sent, and time and size are limited.

Holds the address rules, the phases of an exchange, the connections that measure it, and `transport.send_request`.
Callers interpret the answer.
"""
