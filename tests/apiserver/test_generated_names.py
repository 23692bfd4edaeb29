"""Names that the server makes up."""

import orjson

from tests.apiserver.apiserver_rig import Rig

COUNT, AT_ONCE = 10_000, 500


def test_ten_thousand_generated_names_differ() -> None:
    """Acceptance check 58."""
    rig = Rig()
    rig.namespace("x")
    body = orjson.dumps({"metadata": {"generateName": "g-"}})
    call = ("create", "configmaps", "x", "", "", "", body)
    names: set[str] = set()
    for _ in range(COUNT // AT_ONCE):
        for answer in rig.frame_calls(*[call] * AT_ONCE):
            assert answer.code == 201
            names.add(orjson.loads(answer.body)["metadata"]["name"])
    assert len(names) == COUNT
    assert all(len(name) == len("g-") + 5 for name in names)
