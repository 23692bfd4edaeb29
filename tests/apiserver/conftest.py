"""What most tests of the API server begin with."""

import pytest

from tests.apiserver.apiserver_rig import Rig


@pytest.fixture
def rig() -> Rig:
    """One server and one shard, and a namespace in which pods can be made."""
    made = Rig()
    made.namespace("x")
    return made
