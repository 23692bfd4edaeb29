"""A body of which only the beginning is parsed means what it means as a whole."""

from itertools import product

import orjson

from api.findings import find_duplicates
from apiserver.endings import ENDING_BYTES_MAX, ENDINGS_MAX, Endings

SPEC = b'{"containers":[{"name":"c","image":"nginx"}],"x":{"spec":1}}'
KEY = orjson.dumps(orjson.loads(SPEC))
HEADS = [
    b'{"metadata":{"name":"a"},',
    b'{"kind":"Pod","metadata":{"annotations":{"k":"\\"spec\\":{}"}},  \n',
    b'{"metadata":{"annotations":{"k":",}"}} , ',
    b'{"metadata":{"spec":{}},',
    b'{"metadata":{"labels":{"a":"b"},',
    b'{"metadata":{"name":"a","name":"b"},',
    b'{"metadata":{},"metadata":{},',
    b'{"sp\\u0065c":{},',
    b'{"metadata":{}',
    b'{"metadata":{},,',
    b'{"metadata":["',
    b"{,",
    b"{",
    b"[",
    b"",
    b'{"metadata":{}},',
    b'{"metadata":NaN,',
]
ENDINGS = [
    SPEC + b"}",
    b" " + SPEC + b" }\n",
    SPEC + b',"status":{}}',
    SPEC + b',"metadata":{"name":"other"}}',
    SPEC + b',"spec":{}}',
    b'{"containers":[],"containers":[]}}',
    SPEC,
    SPEC + b"}}",
    SPEC + b"},",
    b"null}",
    b"",
]


def test_what_is_begun_is_what_the_whole_says_and_nothing_else_is_begun() -> None:
    endings = Endings()
    for ending in ENDINGS:
        endings.learn(HEADS[0] + b'"spec":' + ending, KEY)
    begun = 0
    for head, ending in product(HEADS, ENDINGS):
        body = head + b'"spec":' + ending
        found = endings.begin(body)
        if found is None:
            continue
        begun += 1
        obj, key = found
        whole = orjson.loads(body)
        assert {**obj, "spec": orjson.loads(key)} == whole
        assert find_duplicates(body, whole) == []
    # The heads that are right, before the two endings that are a specification and no more.
    assert begun == 3 * 2


def test_a_body_without_a_specification_or_with_an_unknown_one_is_parsed_whole() -> None:
    endings = Endings()
    assert endings.begin(b"{}") is None and endings.begin(b"") is None
    body = HEADS[0] + b'"spec":' + ENDINGS[0]
    assert endings.begin(body) is None
    endings.learn(body, KEY)
    assert endings.begin(body) is not None
    endings.learn(b"{}", KEY)
    assert endings.begin(b"{}") is None


def test_endings_are_few_and_short() -> None:
    endings = Endings()
    for number in range(ENDINGS_MAX + 10):
        spec = b'{"hostname":"%d"}' % number
        endings.learn(b'{"metadata":{},"spec":%b}' % spec, spec)
    assert len(endings) == ENDINGS_MAX
    assert endings.begin(b'{"metadata":{},"spec":{"hostname":"9"}}') is None
    assert endings.begin(b'{"metadata":{},"spec":{"hostname":"10"}}') is not None
    long = b'{"hostname":"%b"}' % (b"x" * ENDING_BYTES_MAX)
    endings.learn(b'{"metadata":{},"spec":%b}' % long, long)
    assert endings.begin(b'{"metadata":{},"spec":%b}' % long) is None
