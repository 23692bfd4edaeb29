"""What a path names. Source: NewRequestInfo, apiserver/pkg/endpoints/request/requestinfo.go."""

import pytest

from apiserver.routes import Target, parse_path, way_of

APPS = ("apps", "v1")
CORE = ("", "v1")
PATHS: dict[str, Target | None] = {
    "/api/v1/pods": Target(*CORE, "pods", "", "", "", False, False),
    "/api/v1/namespaces": Target(*CORE, "namespaces", "", "", "", False, False),
    "/api/v1/namespaces/x": Target(*CORE, "namespaces", "", "x", "", False, False),
    "/api/v1/namespaces/x/status": Target(*CORE, "namespaces", "", "x", "status", False, False),
    "/api/v1/namespaces/x/finalize": Target(*CORE, "namespaces", "", "x", "finalize", False, False),
    "/api/v1/namespaces/x/pods/": Target(*CORE, "pods", "x", "", "", False, False),
    "/api/v1/namespaces/x/pods/p": Target(*CORE, "pods", "x", "p", "", False, False),
    "/api/v1/namespaces/x/pods//p": Target(*CORE, "pods", "x", "", "p", False, False),
    "/api/v1/namespaces/x/pods/p/log": Target(*CORE, "pods", "x", "p", "log", False, False),
    "/api/v1/nodes/n/proxy/a/b": Target(*CORE, "nodes", "", "n", "proxy", True, False),
    "/api/v1/nodes/a%2Fb": Target(*CORE, "nodes", "", "a/b", "", False, False),
    "/api/v1/watch/namespaces/x/pods": Target(*CORE, "pods", "x", "", "", False, True),
    "/api/v1/watch": Target(*CORE, "watch", "", "", "", False, False),
    "/apis/apps/v1/deployments": Target(*APPS, "deployments", "", "", "", False, False),
    "/apis/apps/v1/namespaces/x/status": Target(*APPS, "status", "x", "", "", False, False),
    "/apis/apps/v1/namespaces/x/deployments/d": Target(
        *APPS, "deployments", "x", "d", "", *[False] * 2
    ),
    "/apis/apps/v1": None,
    "/api/v1": None,
    "/version": None,
    "/": None,
}


@pytest.mark.parametrize(("path", "target"), PATHS.items())
def test_what_a_path_names(path: str, target: Target | None) -> None:
    assert parse_path(path) == target
    assert way_of("GET", path)[0] == target


def test_one_way_leads_to_all_objects_of_a_kind() -> None:
    ways = [way_of("GET", f"/api/v1/namespaces/n{n}/pods/p{n}")[1] for n in range(3)]
    assert all(way is ways[0] for way in ways)
    assert ways[0].kind is not None and ways[0].asked.resource == "pods"
    other = way_of("GET", "/api/v1/namespaces/x/pods")[1]
    assert (ways[0].verb, other.verb) == ("get", "list")
