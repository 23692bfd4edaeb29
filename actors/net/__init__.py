"""Frames over TCP: the data plane between programs.

A frame is ``[version, kind, stream, deadline_ns, trace id or nil, epoch, credit, body]`` in
msgpack, after a 4-byte big-endian length. A connection starts with a handshake (magic, versions,
cluster id, identity, token). Then both sides multiplex: one-shot calls, and streams that the
server feeds.

    client = FrameClient(name, security, resolve, identity)   # reconnects by itself
    reply  = await client.call(body, timeout_s=5)             # PeerLost, CallTimeout, PeerError
    future = client.send(body)                                # the same, without a coroutine
    stream = client.open(body, on_body, on_end)               # on_body(body), on_end(reason: str)
    stream.close()

    server = await FrameServer.start(host, port, security, handler)
    class Handler:                                # all called on the loop, never awaited
        def on_call(self, reply: Callable[[object], None], body: object, peer: str) -> None
        def on_open(self, stream: ServerStream, body: object) -> None
        def on_closed(self, stream: ServerStream) -> None     # the peer closed it or is gone
    stream.send(body) -> bool        # False: the reader is too far behind; end the stream
    stream.end(reason)
"""
