"""A bookmark in a watch of Tables is a row for an object in which nothing is set."""

import pytest

from api.kinds import SERVED, kind_of
from tests.apiserver.apiserver_rig import Rig

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("key", SERVED)
def test_every_kind_has_one(rig: Rig, key: str) -> None:
    kind = kind_of(key)
    root = f"/apis/{kind.api_version}" if kind.group else "/api/v1"
    query = "watch=1&allowWatchBookmarks=true&fieldSelector=metadata.name=none&timeoutSeconds=9"
    stream = rig.watch(f"{root}/{kind.resource}?{query}", accept=TABLE)
    ((name, table),) = stream.events
    assert name == "BOOKMARK" and table["kind"] == "Table"
    (row,) = table["rows"]
    assert row["object"]["metadata"].keys() == {"resourceVersion", "annotations"}
    assert len(row["cells"]) > 1
