"""What a connection holds back because its reader has no room for it."""

import asyncio
from fcntl import ioctl
from struct import unpack
from typing import Final

SIOCOUTQNSD: Final = 0x894B
"""Asks a TCP socket for the bytes that it took and has not sent. Source: Linux
include/uapi/linux/sockios.h, tcp(7)."""


def unsent_bytes(transport: asyncio.Transport | None) -> int:
    """In our buffers and in the kernel's; what was sent and not acknowledged does not count. 0 of a
    connection that is closing."""
    if transport is None or transport.is_closing():
        return 0
    (held,) = unpack("i", ioctl(transport.get_extra_info("socket").fileno(), SIOCOUTQNSD, bytes(4)))
    return transport.get_write_buffer_size() + int(held)
