"""What the leader has asked of the API server: requests of the present step, and what each open one
was for."""

from typing import Literal

from api.calls import ApiRequest

Call = Literal["bind", "look", "evict", "volume", "write"]


class Outgoing:
    """Requests are numbered upwards from 1."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Call, str]] = {}
        self._next_id = 0
        self._requests: list[ApiRequest] = []

    def number(self, call: Call, key: str = "") -> int:
        """An id for a request about a pod."""
        self._next_id += 1
        self._open[self._next_id] = (call, key)
        return self._next_id

    def send(self, request: ApiRequest) -> None:
        self._requests.append(request)

    def take(self) -> list[ApiRequest]:
        """What is to be sent now."""
        requests, self._requests = self._requests, []
        return requests

    def about(self, request_id: int) -> str:
        """The pod of an open request."""
        return self._open[request_id][1]

    def answered(self, request_id: int) -> tuple[Call, str]:
        """What the request was for. It is not open any more."""
        return self._open.pop(request_id)
