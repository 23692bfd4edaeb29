"""/healthz, /livez and /readyz: whether the server is well, as a whole or by the name of a check.

Source: apiserver/pkg/server/healthz/healthz.go; names of kube-apiserver v1.36, those of them that
mean something here.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from apiserver.answers import plain
from apiserver.messages import Answer

_ALIVE: Final = (
    "ping",
    "etcd",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/start-system-namespaces-controller",
)
"""Hooks have run when a request is answered at all."""
_OF_CACHES: Final = ("etcd", "etcd-readiness", "informer-sync")
"""They fail while what the shards hold is being read anew."""
CHECKS: Final[Mapping[str, Sequence[str]]] = {
    "/healthz": _ALIVE,
    "/livez": _ALIVE,
    "/readyz": ("ping", *_OF_CACHES, *_ALIVE[2:]),
}


def health(path: str, query: str, loading: bool) -> Answer | None:
    """The answer to a path; None when it is no check. ``loading``: the caches are not whole."""
    place = next((one for one in CHECKS if path == one or path.startswith(f"{one}/")), None)
    if place is None:
        return None
    check = path[len(place) + 1 :]
    if check:
        if check not in CHECKS[place]:
            return None
        if loading and check in _OF_CACHES:
            return plain(500, "internal server error: the shards are being read\n")
        return plain(200, "ok")
    options = parse_qs(query, keep_blank_values=True)
    excluded = options.get("exclude", [])
    said: list[str] = []
    failed = False
    for name in CHECKS[place]:
        if name in excluded:
            said.append(f"[+]{name} excluded: ok\n")
        elif loading and name in _OF_CACHES:
            failed = True
            said.append(f"[-]{name} failed: reason withheld\n")
        else:
            said.append(f"[+]{name} ok\n")
    unknown = ", ".join(f'"{name}"' for name in sorted({*excluded}.difference(CHECKS[place])))
    if unknown:
        said.append(f"warn: some health checks cannot be excluded: no matches for {unknown}\n")
    text = "".join(said)
    if failed:
        return plain(500, f"{text}{place[1:]} check failed\n")
    return plain(200, f"{text}{place[1:]} check passed\n" if "verbose" in options else "ok")
