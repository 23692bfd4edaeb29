"""The client of the load's requests against a server that answers as it is told, byte for byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from actors.security import create_security
from loadtest.tls import client_context
from loadtest.users.wire import DIALS_MAX, Answer, Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
HANG, LEAVE = b"", b"leave"
"""Not answers: silence until the client leaves; and the server does, having read the request."""
GET, POST = b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"


class Scripted:
    """Serves connections one after the other; each has the answers it gives before it closes."""

    def __init__(self, home: Path, script: list[list[bytes]]) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(home / "apiserver.crt", home / "apiserver.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[list[bytes]] = []
        self.resumed: list[bool] = []
        self._thread = threading.Thread(target=self._serve, args=(script,))
        self._thread.start()

    def _serve(self, script: list[list[bytes]]) -> None:
        for answers in script:
            with self._tls.wrap_socket(self._listener.accept()[0], server_side=True) as connection:
                self.resumed.append(bool(connection.session_reused))
                self.asked.append([])
                for answer in answers:
                    if not (asked := connection.recv(1 << 16)):
                        break
                    self.asked[-1].append(asked)
                    if answer == LEAVE:
                        break
                    if answer == HANG:
                        connection.recv(1)
                    # Byte by byte: each is a record of its own.
                    for number in range(len(answer)):
                        connection.sendall(answer[number : number + 1])

    def join(self) -> None:
        """Idempotent."""
        self._thread.join(60)
        self._listener.close()
        assert not self._thread.is_alive()


Start = Callable[..., tuple[Scripted, Connections]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wire") / "security"
    return Path(create_security(str(place)).directory)


@pytest.fixture
def scripted(home: Path) -> Iterator[Start]:
    begun: list[tuple[Scripted, Connections]] = []

    def start(*script: list[bytes], timeout_s: float = 60) -> tuple[Scripted, Connections]:
        server = Scripted(home, list(script))
        tls = client_context(str(home / "ca.crt"), "")
        connections = Connections(f"https://127.0.0.1:{server.port}", tls, timeout_s)
        begun.append((server, connections))
        return server, connections

    yield start
    for server, connections in begun:
        connections.close()
        server.join()


def test_answers_end_by_length_or_last_chunk_however_they_come(scripted: Start) -> None:
    server, connections = scripted([OK, CHUNKED, CONTINUE + OK, LAST])
    answers = [connections.ask(GET, True) for _ in range(4)]
    assert answers == [Answer(200, 2), Answer(201, 8), Answer(200, 2), Answer(200, 2)]
    assert server.asked == [[GET] * 4]


def test_a_read_is_sent_again_when_its_old_connection_is_gone(scripted: Start) -> None:
    server, connections = scripted([OK], [OK, LAST])
    assert [connections.ask(GET, True) for _ in range(3)] == [Answer(200, 2)] * 3
    server.join()
    assert server.asked == [[GET], [GET, GET]]
    assert server.resumed == [False, True]


def test_a_write_is_never_sent_twice(scripted: Start) -> None:
    """The server reads it on a connection that it used before, and closes without an answer."""
    server, connections = scripted([OK, LEAVE], [LAST])
    answers = [connections.ask(POST, False) for _ in range(3)]
    assert answers == [Answer(200, 2), None, Answer(200, 2)]
    server.join()
    assert server.asked == [[POST, POST], [POST]]


def test_silence_ends_by_the_time_limit_and_is_not_repeated(scripted: Start) -> None:
    server, connections = scripted([OK, HANG], timeout_s=2)
    assert connections.ask(GET, True) == Answer(200, 2)
    assert connections.ask(GET, True) is None
    server.join()
    assert server.asked == [[GET, GET]]


def test_what_is_no_http_or_nobody_is_no_answer(scripted: Start) -> None:
    server, connections = scripted([b"SSH-2.0-x\r\n"])
    assert connections.ask(GET, True) is None
    server.join()
    assert connections.ask(GET, True) is None


def test_who_finds_none_free_takes_the_first_that_is(scripted: Start) -> None:
    """The server takes one connection after the other. Of twenty who ask, four make connections,
    and one more when the first of them is made; the other fifteen are served by that one."""
    server, connections = scripted([OK] * 16, *[[OK]] * DIALS_MAX)
    with gevent.Timeout(60):
        asking = [gevent.spawn(connections.ask, GET, True) for _ in range(20)]
        gevent.joinall(asking)
    assert [one.value for one in asking] == [Answer(200, 2)] * 20
    assert list(map(len, server.asked)) == [16, 1, 1, 1, 1]
