"""Paths that are no resources: version, health, discovery, OpenAPI."""

from api.errors import MethodNotAllowed
from apiserver.answers import plain
from apiserver.messages import Answer, HttpRequest
from apiserver.registry import Registry

VERSION = (
    b'{"major":"1","minor":"36","emulationMajor":"1","emulationMinor":"36",'
    b'"minCompatibilityMajor":"1","minCompatibilityMinor":"35","gitVersion":"v1.36.3",'
    b'"gitCommit":"$Format:%H$","gitTreeState":"clean","buildDate":"2026-07-01T00:00:00Z",'
    b'"goVersion":"go1.26.8","compiler":"gc","platform":"linux/amd64"}'
)
"""As recorded of the emulated server (tests/golden/api/version.json): clients choose by it."""

_HEALTH = ("/healthz", "/livez", "/readyz")


def document(registry: Registry, http: HttpRequest) -> Answer:
    """The answer to a path outside the resources. An unknown one gets Go's plain 404."""
    path = http.path.rstrip("/")
    if http.method not in ("GET", "HEAD"):
        raise MethodNotAllowed
    if path == "/version":
        return Answer(200, VERSION)
    if path in _HEALTH:
        return plain(200, "ok")
    return plain(404, "404 page not found\n")
