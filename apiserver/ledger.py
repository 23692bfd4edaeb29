"""What each request is about until it is answered, its answer on the way out, and the counts."""

import traceback
from collections import Counter
from collections.abc import Mapping, Sequence

from api.kinds import Kind
from api.storage import StoreRequest
from apiserver.in_yaml import in_yaml
from apiserver.messages import Answer, Answers, Crashed, Effect
from apiserver.metrics import NOTHING_ASKED, Asked, Metrics, operation_of

_REFUSED = (NOTHING_ASKED, 0)


class Ledger:
    """``now_ns`` is set at the start of each step."""

    __slots__ = (
        "_answers",
        "_crashes",
        "_ids",
        "_in_yaml",
        "_metrics",
        "_together",
        "_under_way",
        "now_ns",
    )

    def __init__(self) -> None:
        self.now_ns = 0
        self._metrics = Metrics()
        self._under_way: dict[int, tuple[Asked, int]] = {}
        """What each request that has no answer yet is about, and when it was taken up."""
        self._together: Counter[Asked] = Counter()
        """Requests under way without an id of their own, because they are answered in batches: how
        many, by what they ask for."""
        self._in_yaml: set[int] = set()
        """Requests whose answers are wanted as YAML."""
        self._ids: list[int] = []
        self._answers: list[Answer] = []
        self._crashes: list[Crashed] = []

    def taken_up(self, request_id: int, asked: Asked) -> None:
        """From now on the request counts as under way, until it is answered."""
        self._under_way[request_id] = asked, self.now_ns

    def taken_up_together(self, asked: Asked, count: int) -> None:
        """As many alike at once, which are answered one by one."""
        self._together[asked] += count

    def answer_together(
        self, asked: Asked, sent_ns: int, count: int, ids: Sequence[int], answers: Sequence[Answer]
    ) -> None:
        """The store has answered ``count`` requests that were taken up and sent together. Those
        with an answer are done, the others are the caller's again. None is wanted as YAML."""
        self.lost_together(asked, count)
        duration_ns = self.now_ns - sent_ns
        self._metrics.stored("update", asked.resource, duration_ns, count)
        if ids:
            self._metrics.answered(asked, 200, duration_ns, len(ids))
            self._ids += ids
            self._answers += answers

    def lost_together(self, asked: Asked, count: int) -> None:
        """End ``count`` requests of such a batch that the store never answered."""
        self._together[asked] -= count

    def wants_yaml(self, request_id: int) -> None:
        """The answer to this request is turned into YAML when it leaves."""
        self._in_yaml.add(request_id)

    def answer(self, request_id: int, answer: Answer) -> None:
        """The answer leaves with the effects of this step."""
        if self._in_yaml and request_id in self._in_yaml:
            answer = in_yaml(answer)
        self.count(request_id, answer.code)
        self._ids.append(request_id)
        self._answers.append(answer)

    def count(self, request_id: int, code: int) -> None:
        """Its answer begins, with that code."""
        if self._in_yaml:
            self._in_yaml.discard(request_id)
        asked, begun_ns = self._under_way.pop(request_id, _REFUSED)
        now_ns = self.now_ns
        self._metrics.answered(asked, code, now_ns - (begun_ns or now_ns))

    def crashed(self, request_id: int, bug: Exception) -> None:
        """The request met a bug: the shell is told, with the place of it."""
        text = "".join(traceback.format_exception(bug))
        self._crashes.append(Crashed(request_id, text))

    def stored(self, request_id: int, sent: StoreRequest, sent_ns: int) -> None:
        """The store has answered what a request asked it."""
        asked = self._under_way.get(request_id)
        if asked is not None and asked[0].resource:
            operation = operation_of(sent)
            self._metrics.stored(operation, asked[0].resource, self.now_ns - sent_ns)

    def forget(self, request_id: int) -> None:
        """Whoever asked has gone."""
        self._under_way.pop(request_id, None)
        self._in_yaml.discard(request_id)

    def text(self, watchers: Mapping[Kind, int], objects: Mapping[Kind, int]) -> str:
        """/metrics; watchers and objects by their kind."""
        asked = [asked for asked, _ in self._under_way.values()]
        asked += self._together.elements()
        return self._metrics.text(asked, watchers, objects)

    def effects(self) -> Sequence[Effect]:
        """What leaves with this step."""
        out: list[Effect] = []
        if self._ids:
            out.append(Answers(self._ids, self._answers))
            self._ids, self._answers = [], []
        if self._crashes:
            out += self._crashes
            self._crashes = []
        return out
