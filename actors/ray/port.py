"""A port that a program keeps over its restarts."""

import secrets
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 20_000
"""Ray's workers listen below it by default."""
TRIES = 100


def lasting_port(host: str) -> int:
    """A free TCP port of ``host`` below those that the kernel gives to clients, so that nobody gets
    it while its program restarts. OSError when none was found."""
    end = int(RANGE.read_text().split()[0])
    if end <= LOWEST:
        raise OSError(f"no ports between {LOWEST} and those of clients, which begin at {end}")
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(end - LOWEST)
        if _is_free(host, port):
            return port
    raise OSError(f"{TRIES} ports of {host} from {LOWEST} to {end} are in use")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True
