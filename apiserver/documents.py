"""Paths that are no resources: version, health, discovery, OpenAPI.

The documents say what this server really serves; they are made when first asked for.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from hashlib import sha256
from urllib.parse import parse_qs

import orjson

from api.core import JsonObject
from api.discovery import (
    AGGREGATED_V2,
    AGGREGATED_V2BETA1,
    SPINE,
    VERSION,
    aggregated,
    api_versions,
    group,
    group_list,
    resource_list,
)
from api.errors import MethodNotAllowed, NotFound
from api.kinds import Kind
from api.openapi import OpenApi
from apiserver.answers import plain
from apiserver.health import CHECKS
from apiserver.messages import Answer, HttpRequest
from apiserver.negotiate import form_of

_VERSION = orjson.dumps(VERSION)
_OPENAPI = "/openapi/v3"
_OPENAPI_2 = "/openapi/v2"


class Documents:
    """What a server says of itself while it serves these custom kinds."""

    def __init__(self, custom: Sequence[Kind]) -> None:
        self.custom = custom
        self._openapi = OpenApi({}, custom)

    def answer(self, http: HttpRequest) -> Answer:
        """The answer to a path outside the resources. An unknown one gets Go's plain 404."""
        if http.method not in ("GET", "HEAD"):
            raise MethodNotAllowed
        path = http.path.rstrip("/")
        if not path:
            return Answer(200, self._paths)
        if path == "/version":
            return Answer(200, _VERSION)
        if path in ("/api", "/apis"):
            return self._discovery(path, http)
        if path == _OPENAPI:
            return _with_etag(http, self._index)
        if path.startswith(_OPENAPI + "/"):
            return self._openapi_document(path.removeprefix(_OPENAPI + "/"), http)
        if path == _OPENAPI_2:
            # kubectl 1.29 and later goes on with v3 after a 404.
            raise NotFound.not_served(f"OpenAPI v2 is not served here, see {_OPENAPI}")
        return self._legacy(path, http)

    @cached_property
    def _paths(self) -> bytes:
        """All paths that answer. Source: apiserver/pkg/server/routes/index.go."""
        paths = {"/api", "/apis", "/apis/", "/metrics", _OPENAPI, f"{_OPENAPI}/", "/version"}
        paths.update(CHECKS)
        paths.update(f"{place}/{name}" for place, names in CHECKS.items() for name in names)
        for place in (*_own_openapi().places, *self._openapi.places):
            parts = place.split("/")
            paths.update("/" + "/".join(parts[:end]) for end in range(2, len(parts) + 1))
        return orjson.dumps({"paths": sorted(paths)})

    @cached_property
    def _index(self) -> bytes:
        places = {**_own_openapi().places, **self._openapi.places}
        return orjson.dumps({"paths": dict(sorted(places.items()))})

    def _openapi_document(self, name: str, http: HttpRequest) -> Answer:
        documents = self._openapi
        body = documents.document(name)
        if body is None:
            documents = _own_openapi()
            body = documents.document(name)
        if body is None:
            raise NotFound
        right = documents.hash_of(name)
        asked = parse_qs(http.query).get("hash", [""])[0]
        if asked and asked != right:
            return Answer(301, b"", headers=(("Location", f"{_OPENAPI}/{name}?hash={right}"),))
        kept = "public, immutable" if asked else "no-cache, private"
        headers = (("Cache-Control", kept), ("ETag", f'"{right}"'), ("Vary", "Accept"))
        if http.if_none_match.strip('"') == right:
            return Answer(304, b"", headers=headers)
        return Answer(200, body, headers=headers)

    def _discovery(self, path: str, http: HttpRequest) -> Answer:
        """/api and /apis: aggregated in the version that is asked for first, or the plain lists."""
        for alternative in http.accept.split(","):
            media, *parameters = (part.strip() for part in alternative.split(";"))
            named = dict(part.split("=", 1) for part in parameters if "=" in part)
            if media != "application/json":
                continue
            if named.get("as") == "APIGroupDiscoveryList":
                version = f"{named.get('g')}/{named.get('v')}"
                if version in (AGGREGATED_V2, AGGREGATED_V2BETA1):
                    answer = _with_etag(http, self._aggregated[path, version])
                    form = f"g={named['g']};v={named['v']};as=APIGroupDiscoveryList"
                    return answer._replace(content_type=f"application/json;{form}")
                continue
            break
        else:
            form_of(http.accept)
        host = http.host
        found = api_versions(host) if path == "/api" else group_list(SPINE, self.custom)
        return Answer(200, orjson.dumps(found))

    @cached_property
    def _aggregated(self) -> dict[tuple[str, str], bytes]:
        return {
            (path, version): orjson.dumps(aggregated(SPINE, path == "/api", version, self.custom))
            for path in ("/api", "/apis")
            for version in (AGGREGATED_V2, AGGREGATED_V2BETA1)
        }

    def _legacy(self, path: str, http: HttpRequest) -> Answer:
        """/api/v1, /apis/GROUP and /apis/GROUP/VERSION."""
        parts = path.strip("/").split("/")
        found: JsonObject | None = None
        if parts[0] == "api" and len(parts) == 2:
            found = resource_list(SPINE, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = group(SPINE, parts[1], self.custom)
        elif parts[0] == "apis" and len(parts) == 3:
            found = resource_list(SPINE, parts[1], parts[2], self.custom)
        if found is not None:
            return Answer(200, orjson.dumps(found))
        if parts[0] == "apis" and len(parts) in (2, 3):
            raise NotFound
        return plain(404, "404 page not found\n")


@cache
def _own_openapi() -> OpenApi:
    """The documents of the built-in kinds, shared by all."""
    return OpenApi(SPINE)


def _with_etag(http: HttpRequest, body: bytes) -> Answer:
    tag = sha256(body).hexdigest().upper()
    headers = (("ETag", f'"{tag}"'), ("Vary", "Accept"))
    if http.if_none_match.strip('"') == tag:
        return Answer(304, b"", headers=headers)
    return Answer(200, body, headers=headers)
