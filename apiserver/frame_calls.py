"""Calls of components: a frame holds many requests, which are answered together."""

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.messages import Answer, CallsArrived, Event, FrameCall

Replies = list[tuple[int, int, bytes]]
"""(code, revision, body) of each request of a frame."""


class FrameCalls:
    """What every shell knows of its frames: requests that the next step takes, and who waits for
    the answers. Ids are the shell's, which numbers its other requests in the same row."""

    __slots__ = ("_arrived", "_waiting")

    def __init__(self) -> None:
        self._arrived: list[FrameCall] = []
        self._waiting: dict[int, tuple[_Frame, int]] = {}
        """Request -> its frame and its place in it."""

    def take(
        self,
        last_id: int,
        requests: Sequence[Sequence[Any]],
        reply: Callable[[Replies], None],
        peer: str = "",
    ) -> int:
        """``requests``: the words of ``api.calls.ApiRequest`` after its id, not empty. They are
        numbered on from ``last_id``, and the last number is returned."""
        frame = _Frame(reply, len(requests))
        make = FrameCall._make
        self._arrived += [
            make((number, *words, peer)) for number, words in enumerate(requests, last_id + 1)
        ]
        for place in range(len(requests)):
            last_id += 1
            self._waiting[last_id] = (frame, place)
        return last_id

    def tell(self, events: list[Event]) -> None:
        """All that has arrived becomes one event of the step."""
        if self._arrived:
            events.append(CallsArrived(self._arrived))
            self._arrived = []

    def answered(
        self, ids: Sequence[int], answers: Sequence[Answer]
    ) -> Sequence[tuple[int, Answer]]:
        """Put answers where they belong; frames that are whole now are answered. Returns those of
        requests that came in no frame."""
        waiting = self._waiting
        others: list[tuple[int, Answer]] = []
        for request_id, answer in zip(ids, answers, strict=True):
            entry = waiting.pop(request_id, None)
            if entry is None:
                others.append((request_id, answer))
                continue
            frame, place = entry
            code, body, revision = answer[:3]
            frame.replies[place] = (code, revision, body)
            frame.due -= 1
            if not frame.due:
                frame.reply(frame.replies)
        return others


class _Frame:
    __slots__ = ("due", "replies", "reply")

    def __init__(self, reply: Callable[[Replies], None], size: int) -> None:
        self.reply = reply
        self.due = size
        self.replies: Replies = [(0, 0, b"")] * size


def end_of_watch(answer: Answer) -> str:
    """The reason with which a watch ends that could not be opened. Only what the asker did wrong
    is "invalid", which he takes as final; anything else he may ask again."""
    if answer.code == 410:
        return "expired"
    if answer.code == 429 or answer.code >= 500:
        return "unavailable"
    return f"invalid: {answer.body.decode()}"
