"""TLS of frames that leave their machine: the files of actors.security, without its libraries."""

import ssl
from pathlib import Path
from typing import Final

from actors.plan import Security

FRAMES_NAME: Final = "frames.hollowfleet"
"""Whom the certificate of the programs names: they are known by it, wherever they run."""


def frames_ssl_context(security: Security, *, server: bool) -> ssl.SSLContext | None:
    """Of one side of a frame connection: TLS 1.3, each shows that it is a program of the cluster.
    None: frames of this cluster stay on their machine."""
    if not security.encrypted:
        return None
    side = ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    home = Path(security.directory)
    context.load_cert_chain(home / "frames.crt", home / "frames.key")
    context.load_verify_locations(home / "ca.crt")
    return context
