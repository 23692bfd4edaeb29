"""Whom a bearer token stands for, and new tokens for service accounts.

Keys and the tokens of users come from the shell. The token of a service account is a JWT signed
with HMAC-SHA-256 under a key that all API servers of the cluster share. It is good while the
account with the uid in it exists, until it expires.

Source of the claims: pkg/serviceaccount/claims.go at v0.36.3.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from api.core import JsonObject
from apiserver.cache import ResourceCache
from apiserver.messages import User
from apiserver.records import Record

ISSUER: Final = "https://kubernetes.default.svc"
SECOND_NS: Final = 10**9
_HEAD: Final = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
_CLAIM: Final = "kubernetes.io"


class Grant(NamedTuple):
    """What a token is asked for."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    seconds: int
    token_id: str
    bound: tuple[str, str, str] | None = None
    """Kind ("pod", "secret" or "node"), name and uid of the object with which it ends."""


BOUND_TO: Final = {"pod": "pods", "secret": "secrets", "node": "nodes"}
"""What a token may be bound to, by its word in the claims, and the key of that kind."""


class Identities:
    """Tokens of users by digest, and the key of service accounts' tokens."""

    __slots__ = ("_key", "_users")

    def __init__(self, tokens: Mapping[str, User], key: bytes) -> None:
        # By digest, so that the time of a look-up says nothing about how much of a guess is right.
        self._users = {sha256(token.encode()).digest(): user for token, user in tokens.items()}
        self._key = key

    def user_of(
        self, token: bytes, caches: Mapping[str, ResourceCache], now_ns: int
    ) -> User | None:
        """The user of a token that is good for this server."""
        user = self._users.get(sha256(token).digest())
        if user is not None or token.count(b".") != 2:
            return user
        claims = self._claims(token)
        if claims is None or ISSUER not in claims["aud"]:
            return None
        if not claims["nbf"] * SECOND_NS <= now_ns < claims["exp"] * SECOND_NS:
            return None
        namespace, account = claims[_CLAIM]["namespace"], claims[_CLAIM]["serviceaccount"]
        record = _living(caches["serviceaccounts"], namespace, account)
        if record is None:
            return None
        for word, key in BOUND_TO.items():
            holder = claims[_CLAIM].get(word)
            if holder is not None and _living(caches[key], namespace, holder) is None:
                return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return User(claims["sub"], (*groups, "system:authenticated"), record.uid)

    def issue(self, grant: Grant, now_ns: int) -> str:
        """A signed token for the account of ``grant``, good from now on."""
        now = now_ns // SECOND_NS
        bound: JsonObject = {}
        if grant.bound is not None:
            word, name, uid = grant.bound
            bound = {word: {"name": name, "uid": uid}}
        claims: JsonObject = {
            "aud": list(grant.audiences),
            "exp": now + grant.seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": grant.token_id,
            _CLAIM: {
                "namespace": grant.namespace,
                **bound,
                "serviceaccount": {"name": grant.name, "uid": grant.uid},
            },
            "nbf": now,
            "sub": f"system:serviceaccount:{grant.namespace}:{grant.name}",
        }
        signed = b"%b.%b" % (_HEAD, _base64(orjson.dumps(claims)))
        return (b"%b.%b" % (signed, self._signature(signed))).decode()

    def _claims(self, token: bytes) -> JsonObject | None:
        """The claims of a token that we signed."""
        signed, _, signature = token.rpartition(b".")
        if not self._key or not hmac.compare_digest(signature, self._signature(signed)):
            return None
        body = signed.partition(b".")[2]
        claims: JsonObject = orjson.loads(urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
        return claims

    def _signature(self, signed: bytes) -> bytes:
        return _base64(hmac.digest(self._key, signed, "sha256"))


def _living(cache: ResourceCache, namespace: str, named: JsonObject) -> Record | None:
    """The object of this name, if it is still the one with this uid."""
    record = cache.records.get(cache.key(namespace, named["name"]))
    return record if record is not None and record.uid == named["uid"] else None


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
