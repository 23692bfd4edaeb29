"""Calls of components: a frame holds many requests, which are answered together."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from apiserver.messages import Answer, CallsArrived, Event, FrameCall

Replies = list[tuple[int, int, bytes]]
"""(code, revision, body) of each request of a frame."""
_NONE: Final = (-1, 0, b"")
"""In the place of an answer that is not there yet."""
_call = partial(tuple.__new__, FrameCall)
"""As FrameCall._make, which counts the words once more: they have been looked at."""


class FrameCalls:
    """What every shell knows of its frames: requests that the next step takes, and who waits for
    the answers. Ids are the shell's, which numbers its other requests in the same row."""

    __slots__ = ("_arrived", "_firsts", "_frames")

    def __init__(self) -> None:
        self._arrived: list[FrameCall] = []
        self._frames: list[_Frame] = []
        """Those that wait for answers, in the order in which they came."""
        self._firsts: list[int] = []
        """The id of the first request of each."""

    def take(
        self,
        last_id: int,
        requests: Sequence[Sequence[Any]],
        reply: Callable[[Replies], None],
        peer: str = "",
    ) -> int:
        """``requests``: the words of ``api.calls.ApiRequest`` after its id, not empty. They are
        numbered on from ``last_id``, and the last number is returned."""
        first_id = last_id + 1
        self._frames.append(_Frame(reply, first_id, len(requests)))
        self._firsts.append(first_id)
        self._arrived += [
            _call((number, *words, peer)) for number, words in enumerate(requests, first_id)
        ]
        return last_id + len(requests)

    def tell(self, events: list[Event]) -> None:
        """All that has arrived becomes one event of the step."""
        if self._arrived:
            events.append(CallsArrived(self._arrived))
            self._arrived = []

    def answered(
        self, ids: Sequence[int], answers: Sequence[Answer]
    ) -> Sequence[tuple[int, Answer]]:
        """Put answers where they belong; frames that are whole now are answered. Returns those of
        requests that came in no frame, or were answered before."""
        others: list[tuple[int, Answer]] = []
        frame = _NOBODY
        first, replies = frame.first, frame.replies
        for request_id, answer in zip(ids, answers, strict=True):
            place = request_id - first
            if not 0 <= place < len(replies):
                # Answers that come together are often of one frame.
                frame = self._frame_of(request_id)
                first, replies = frame.first, frame.replies
                place = request_id - first
            if not 0 <= place < len(replies) or replies[place] is not _NONE:
                others.append((request_id, answer))
                continue
            replies[place] = (answer[0], answer[2], answer[1])
            frame.due -= 1
            if not frame.due:
                self._forget(first)
                frame.reply(replies)
        return others

    def _frame_of(self, request_id: int) -> "_Frame":
        """The one that waits for an answer to it, if any does."""
        number = bisect_right(self._firsts, request_id)
        return self._frames[number - 1] if number else _NOBODY

    def _forget(self, first_id: int) -> None:
        number = bisect_right(self._firsts, first_id) - 1
        del self._firsts[number]
        del self._frames[number]


class _Frame:
    __slots__ = ("due", "first", "replies", "reply")

    def __init__(self, reply: Callable[[Replies], None], first: int, size: int) -> None:
        self.reply = reply
        self.first = first
        """Id of its first request; the others follow."""
        self.due = size
        self.replies: Replies = [_NONE] * size


_NOBODY: Final = _Frame(lambda replies: None, 0, 0)


def end_of_watch(answer: Answer) -> str:
    """The reason with which a watch ends that could not be opened. Only what the asker did wrong
    is "invalid", which he takes as final; anything else he may ask again."""
    if answer.code == 410:
        return "expired"
    if answer.code == 429 or answer.code >= 500:
        return "unavailable"
    return f"invalid: {answer.body.decode()}"
