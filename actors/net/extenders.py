"""Asks extenders of the scheduler over HTTP: one POST a question, and always one answer, if only
that there is none."""

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Sequence

import aiohttp
import orjson

from scheduler.extender import AskExtender, Extender, ExtenderAnswered, ExtenderTls

ANSWER_BYTES_MAX = 64 << 20
"""Of one answer; a list of 5,000 Node objects takes a third of it."""

Hear = Callable[[ExtenderAnswered], None]


class ExtenderClient:
    """Connections to all extenders of a configuration."""

    def __init__(self, extenders: Sequence[Extender], hear: Hear) -> None:
        """Needs a running loop. OSError and ssl.SSLError for certificates that cannot be read."""
        self._extenders = extenders
        self._hear = hear
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions = [
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=_context(extender.tls)),
                timeout=aiohttp.ClientTimeout(total=extender.timeout_ns / 1e9),
            )
            for extender in extenders
        ]

    def ask(self, order: AskExtender) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Questions under way stay without an answer. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in self._sessions:
            await session.close()

    async def _ask(self, order: AskExtender) -> None:
        extender = self._extenders[order.extender]
        url = f"{extender.url}/{extender.verbs[order.verb]}"
        known_as = extender.tls.server_name if extender.tls is not None else ""
        body: object = None
        trouble = ""
        try:
            async with self._sessions[order.extender].post(
                url,
                data=orjson.dumps(order.body),
                headers={"Content-Type": "application/json"},
                server_hostname=known_as or None,
            ) as answer:
                if answer.status == 200:
                    body = orjson.loads(await _whole(answer.content))
                else:
                    trouble = f"answers {order.verb} with code {answer.status}"
        except TimeoutError:
            trouble = f"no answer to {order.verb} in {extender.timeout_ns / 1e9:g} s"
        except (aiohttp.ClientError, OSError) as error:
            trouble = f"cannot be asked to {order.verb}: {error}"
        except ValueError as error:
            trouble = f"answers {order.verb} with what cannot be read: {error}"
        self._hear(ExtenderAnswered(order.ask, body, trouble))


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """ValueError when it is too long."""
    pieces, length = [], 0
    async for piece in content.iter_any():
        length += len(piece)
        if length > ANSWER_BYTES_MAX:
            raise ValueError(f"more than {ANSWER_BYTES_MAX} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _context(tls: ExtenderTls | None) -> ssl.SSLContext:
    if tls is None:
        return ssl.create_default_context()
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca_pem or None)
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file or None)
    elif tls.certificate_pem:
        # Only files can be loaded.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write(f"{tls.certificate_pem}\n{tls.key_pem}")
            pem.flush()
            context.load_cert_chain(pem.name)
    return context
