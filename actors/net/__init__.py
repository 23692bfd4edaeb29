"""Frames over TCP: the data plane between programs.

A frame is ``[version, kind, stream, deadline_ns, trace id or nil, epoch, credit, body]`` in
msgpack, after a 4-byte big-endian length (api.frames). A connection starts with a handshake (magic,
versions, cluster id, identity, token). Then both sides multiplex: one-shot calls, and streams that
the server feeds.

    client = FrameClient(name, security, resolve, identity)   # reconnects by itself
    await client.connect(timeout_s)                           # optional: PeerRefused, CallTimeout
    reply  = await client.call(body, timeout_s=5)             # PeerLost, CallTimeout, PeerError
    future = client.send(body)                                # the same, without a coroutine
    client.ask(body, heard)                                   # heard(answer, None) or (None, error)
    stream = client.open(body, on_body, on_end)               # on_body(body), on_end(reason: str)
    stream.close()                                            # no on_end after it
    await client.close()

    server = await FrameServer.start(host, port, security, handler)   # .address, .gauges()
    class Handler:                                # all called on the loop, never awaited
        def on_call(self, reply: Callable[[object], None], body: object, peer: str) -> None
        def on_open(self, stream: ServerStream, body: object) -> None
        def on_closed(self, stream: ServerStream) -> None     # the peer closed it or is gone
    reply(PeerError(message))        # refuses the call
    stream.send(body) -> bool        # False: the reader is too far behind; end the stream
    send_to_all(streams, body)       # the same for many, packed once; returns the streams left out
    stream.when_drained(callback)    # once, when little is unsent: to send a long list in pieces
    stream.end(reason)               # on_closed is not called for it
    await server.stop()              # streams end with "stopping"

Arrays of a body arrive as lists, whether they were sent as lists or tuples. A body that came for
several streams of a client is one object: whoever gets it must not change it. Answers of one turn
leave together at its end, behind the items that were sent in it.
"""

from actors.net.client import ClientStream, FrameClient
from actors.net.errors import (
    CallTimeout,
    InsecureAddress,
    NetError,
    PeerError,
    PeerLost,
    PeerRefused,
    PortInUse,
    TooManyCalls,
)
from actors.net.link import FrameOptions
from actors.net.server import FrameServer, ServerStream, send_to_all

__all__ = [
    "CallTimeout",
    "ClientStream",
    "FrameClient",
    "FrameOptions",
    "FrameServer",
    "InsecureAddress",
    "NetError",
    "PeerError",
    "PeerLost",
    "PeerRefused",
    "PortInUse",
    "ServerStream",
    "TooManyCalls",
    "send_to_all",
]
