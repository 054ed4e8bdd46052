"""Which addresses are out in the internet, and which lead into somebody's own network. Pure.

Source: the registries behind `ipaddress.is_global` (IANA's special-purpose addresses); RFC 4291 (IPv4-mapped
IPv6), RFC 6052 (64:ff9b::/96), RFC 3056 (2002::/16), RFC 4380 (2001::/32).
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")
_CLOUDS_OWN = frozenset({ip_address("168.63.129.16")})
"""Public by its number, yet answered by the host of an Azure machine.
Source: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16."""
_NEVER = (
    *(ip_network(net) for net in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15")),
    *(ip_network(net) for net in ("240.0.0.0/4", "fec0::/10", "64:ff9b:1::/48", "2001::/23", "2002::/16")),
)
"""Not for the internet, whatever this version of Python's tables say. Those that carry another address within
(6to4, Teredo) have no use for us and are refused whole."""


def is_public(address: str) -> bool:
    """Say whether an address belongs to the internet; False for what is no plain address.

    Not public: this machine, private and link-local networks (with the clouds' metadata), shared and unique
    local ones, multicast, reserved ones; also written as IPv6.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    within = _within(found)
    if within is not None:
        return is_public(str(within))
    if found in _CLOUDS_OWN or any(
        found in network for network in _NEVER if network.version == found.version
    ):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _within(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
