"""Paths that are no resources: version, health, discovery, OpenAPI.

The documents say what this server really serves; they are made when first asked for.
"""

from functools import cache
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
from api.openapi import OpenApi
from apiserver.answers import plain
from apiserver.messages import Answer, HttpRequest
from apiserver.negotiate import form_of

_HEALTH = ("/healthz", "/livez", "/readyz")
_VERSION = orjson.dumps(VERSION)
_OPENAPI = "/openapi/v3"


def document(http: HttpRequest) -> Answer:
    """The answer to a path outside the resources. An unknown one gets Go's plain 404."""
    if http.method not in ("GET", "HEAD"):
        raise MethodNotAllowed
    path = http.path.rstrip("/")
    if path == "/version":
        return Answer(200, _VERSION)
    if path in _HEALTH:
        return plain(200, "ok")
    if path in ("/api", "/apis"):
        return _discovery(path, http)
    if path == _OPENAPI:
        return _with_etag(http, _openapi().index)
    if path.startswith(_OPENAPI + "/"):
        return _openapi_document(path.removeprefix(_OPENAPI + "/"), http)
    return _legacy(path, http)


@cache
def _openapi() -> OpenApi:
    return OpenApi(SPINE)


def _openapi_document(name: str, http: HttpRequest) -> Answer:
    body = _openapi().document(name)
    if body is None:
        raise NotFound
    right = _openapi().hash_of(name)
    asked = parse_qs(http.query).get("hash", [""])[0]
    if asked and asked != right:
        return Answer(301, b"", headers=(("Location", f"{_OPENAPI}/{name}?hash={right}"),))
    kept = "public, immutable" if asked else "no-cache, private"
    headers = (("Cache-Control", kept), ("ETag", f'"{right}"'), ("Vary", "Accept"))
    if http.if_none_match.strip('"') == right:
        return Answer(304, b"", headers=headers)
    return Answer(200, body, headers=headers)


def _discovery(path: str, http: HttpRequest) -> Answer:
    """/api and /apis: aggregated in the version that is asked for first, or the plain lists."""
    for alternative in http.accept.split(","):
        media, *parameters = (part.strip() for part in alternative.split(";"))
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media != "application/json":
            continue
        if named.get("as") == "APIGroupDiscoveryList":
            version = f"{named.get('g')}/{named.get('v')}"
            if version in (AGGREGATED_V2, AGGREGATED_V2BETA1):
                answer = _with_etag(http, _aggregated(path, version))
                kind = f"application/json;g={named['g']};v={named['v']};as=APIGroupDiscoveryList"
                return answer._replace(content_type=kind)
            continue
        break
    else:
        form_of(http.accept)
    return Answer(200, _list(path, http.host))


@cache
def _aggregated(path: str, version: str) -> bytes:
    return orjson.dumps(aggregated(SPINE, path == "/api", version))


def _list(path: str, host: str) -> bytes:
    return orjson.dumps(api_versions(host) if path == "/api" else group_list(SPINE))


def _legacy(path: str, http: HttpRequest) -> Answer:
    """/api/v1, /apis/GROUP and /apis/GROUP/VERSION."""
    parts = path.strip("/").split("/")
    found: JsonObject | None = None
    if parts[0] == "api" and len(parts) == 2:
        found = resource_list(SPINE, "", parts[1])
    elif parts[0] == "apis" and len(parts) == 2:
        found = group(SPINE, parts[1])
    elif parts[0] == "apis" and len(parts) == 3:
        found = resource_list(SPINE, parts[1], parts[2])
    if found is not None:
        return Answer(200, orjson.dumps(found))
    if parts[0] == "apis" and len(parts) in (2, 3):
        raise NotFound
    return plain(404, "404 page not found\n")


def _with_etag(http: HttpRequest, body: bytes) -> Answer:
    tag = sha256(body).hexdigest().upper()
    headers = (("ETag", f'"{tag}"'), ("Vary", "Accept"))
    if http.if_none_match.strip('"') == tag:
        return Answer(304, b"", headers=headers)
    return Answer(200, body, headers=headers)
