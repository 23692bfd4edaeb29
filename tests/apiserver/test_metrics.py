"""/metrics: kube-apiserver's names and labels, counted right."""

import re

from tests.apiserver.apiserver_rig import Rig

CM = "/api/v1/namespaces/x/configmaps"


def samples(rig: Rig) -> dict[str, float]:
    answer = rig.ask("GET", "/metrics")
    assert answer.code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"([a-z_]+\{[^}]*\}) (\S+)", line)
            assert match is not None, line
            found[match[1]] = float(match[2])
    return found


def test_requests_watches_and_store_calls_are_counted() -> None:
    rig = Rig(2)
    rig.namespace("x")
    before = samples(rig)
    rig.call("POST", CM, {"metadata": {"name": "a"}})
    rig.call("POST", CM, {"metadata": {"name": "a"}})
    rig.call("GET", f"{CM}/none")
    rig.call("GET", CM)
    stream = rig.start("GET", f"{CM}?watch=1")
    rig.frame_calls(("get", "configmaps", "x", "a"))
    found = samples(rig)
    common = 'component="apiserver",dry_run="",group="",resource="configmaps"'
    create = f'{common},scope="resource",subresource="",verb="POST",version="v1"'
    assert found[f'apiserver_request_total{{code="201",{create}}}'] == 1
    assert found[f'apiserver_request_total{{code="409",{create}}}'] == 1
    assert found[f"apiserver_request_duration_seconds_count{{{create}}}"] == 2
    assert found[f'apiserver_request_duration_seconds_bucket{{{create},le="+Inf"}}'] == 2
    get = f'{common},scope="resource",subresource="",verb="GET",version="v1"'
    assert found[f'apiserver_request_total{{code="404",{get}}}'] == 1
    assert found[f'apiserver_request_total{{code="200",{get}}}'] == 1
    assert found['apiserver_registered_watchers{group="",kind="ConfigMap",version="v1"}'] == 1
    store = 'group="",resource="configmaps",operation="create"'
    assert found[f"etcd_request_duration_seconds_count{{{store}}}"] == 2
    held = 'apiserver_resource_objects{group="",resource="configmaps"}'
    assert found[held] == before[held] + 1
    assert found['apiserver_current_inflight_requests{request_kind="readOnly"}'] == 0
    rig.close(stream)
    assert not any(name.startswith("apiserver_registered_watchers") for name in samples(rig))
