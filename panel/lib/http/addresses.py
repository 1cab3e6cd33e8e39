"""Which addresses the client may connect to: the public internet, nothing in our own network."""

from __future__ import annotations

import ipaddress

# Networks whose addresses contain an IPv4 address: that one answers, so that one is checked.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not the internet either, though some versions of `ipaddress` call them global: 6to4 relays, and documentation.
_ALSO_RESERVED = (ipaddress.ip_network("192.88.99.0/24"), ipaddress.ip_network("3fff::/20"))


def is_public(text: str) -> bool:
    """Return True if `text` is a public unicast address.

    False for loopback, private, link-local, carrier-grade NAT, multicast, reserved and unspecified addresses, also
    inside IPv4-mapped, 6to4 and NAT64 addresses; for Teredo; and for text that cannot be read.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_global(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return _is_global(address)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # `is_global` alone lets multicast and some reserved ranges through.
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in network for network in _ALSO_RESERVED)
    )
