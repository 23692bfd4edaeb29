"""What can go wrong between two peers.

NetError
  PeerLost          the connection broke: it is unknown whether the call was carried out
    PeerRefused     the peer turned our handshake down: wrong token, wrong cluster, version
  CallTimeout       no answer in time: it is unknown whether the call was carried out
  PeerError         the peer answered that it cannot do the call; nothing happened
  TooManyCalls      our own bound of pending calls; nothing was sent
  PortInUse         somebody else listens on the port
  InsecureAddress   an address that is not loopback, without TLS
"""


class NetError(Exception):
    """Any failure between two peers."""


class PeerLost(NetError):
    """The connection broke while the answer was outstanding."""


class PeerRefused(PeerLost):
    """The peer turned the handshake down."""


class CallTimeout(NetError):
    """The deadline passed without an answer."""


class PeerError(NetError):
    """The peer could not do the call. A handler answers with one to refuse a call."""


class TooManyCalls(NetError):
    """More calls are pending than the bound allows."""


class PortInUse(NetError):
    """The port to listen on is taken."""


class InsecureAddress(NetError):
    """Off loopback, frames travel over TLS only."""
