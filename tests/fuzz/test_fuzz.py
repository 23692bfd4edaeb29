"""What anybody may send breaks nothing. Longer searches: ``make soak``."""

import orjson
import pytest

from api.errors import InternalError
from apiserver.answers import answer_of_error
from apiserver.messages import Answer
from tests.fuzz.bodies import Bodies
from tests.fuzz.requests import Fuzzer, Wrong


def test_a_thousand_requests_after_our_own_documents() -> None:
    fuzzer = Fuzzer(1)
    fuzzer.run(1000)
    assert sum(fuzzer.codes.values()) == 1000
    # Some were right: a generator of nonsense would test the first check only.
    assert fuzzer.codes[200] > 20 and fuzzer.codes[201] > 5 and fuzzer.codes[422] > 50


def test_five_thousand_bodies_that_were_right_once() -> None:
    bodies = Bodies(1)
    bodies.run(5000)
    assert sum(bodies.came_to.values()) == 5000
    assert bodies.came_to["invalid"] > 500 and bodies.came_to["refused 400"] > 500


def test_the_same_seed_sends_the_same() -> None:
    first, second, other = Bodies(3), Bodies(3), Bodies(4)
    for bodies in (first, second, other):
        bodies.run(300)
    assert first.came_to == second.came_to != other.came_to


@pytest.mark.parametrize(
    "answer",
    [
        answer_of_error(InternalError("KeyError: 'spec'")),
        Answer(500, orjson.dumps({"kind": "Status", "code": 500, "message": "x"})),
        Answer(404, orjson.dumps({"kind": "Status", "code": 400})),
    ],
)
def test_the_search_sees_what_may_never_be_answered(answer: Answer) -> None:
    fuzzer = Fuzzer(1)
    fuzzer.last = [("GET", "/", b"")]
    with pytest.raises(Wrong):
        fuzzer.judge(answer)
