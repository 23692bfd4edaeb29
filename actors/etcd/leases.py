"""The Lease service."""

import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from actors.etcd.shards import Shards
from api.storage import GRANT, KEEPALIVE, LEASE, LEASES, OK, REVOKE
from store.etcd.codec import Message, decoded, encoded
from store.etcd.errors import checked
from store.etcd.keys import Identity

TTL_S_MIN: Final = 2
"""Source: etcd server/etcdserver/server.go: one and a half election timeouts of a second, whole
seconds."""
GONE_TTL_S: Final = -1


class LeaseService:
    """Lease ids that a client leaves open come from the OS: they are names that others see."""

    def __init__(self, shards: Shards, identity: Identity) -> None:
        self._shards = shards
        self._identity = identity

    async def grant(self, data: bytes) -> bytes:
        message = decoded("LeaseGrantRequest", data)
        ttl_s = max(TTL_S_MIN, message.get("TTL", 0))
        lease = message.get("ID", 0) or secrets.randbits(62) + 1
        checked(await self._shards.ask((GRANT, lease, ttl_s)))
        return self._response("LeaseGrantResponse", {"ID": lease, "TTL": ttl_s})

    async def revoke(self, data: bytes) -> bytes:
        message = decoded("LeaseRevokeRequest", data)
        checked(await self._shards.ask((REVOKE, message.get("ID", 0))))
        return self._response("LeaseRevokeResponse", {})

    async def time_to_live(self, data: bytes) -> bytes:
        message = decoded("LeaseTimeToLiveRequest", data)
        lease = message.get("ID", 0)
        reply = await self._shards.ask((LEASE, lease))
        fields: Message = {"ID": lease, "TTL": GONE_TTL_S}
        if reply[0] == OK:
            _, granted_s, remaining_s, keys = reply
            fields |= {"TTL": remaining_s, "grantedTTL": granted_s}
            if message.get("keys"):
                fields["keys"] = sorted(keys)
        return self._response("LeaseTimeToLiveResponse", fields)

    async def leases(self, data: bytes) -> bytes:
        decoded("LeaseLeasesRequest", data)
        _, found, _ = checked(await self._shards.ask((LEASES,)))
        return self._response("LeaseLeasesResponse", {"leases": [{"ID": lease} for lease in found]})

    async def keep_alive(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """A stream: one answer to each request, TTL 0 when there is no such lease."""
        async for data in requests:
            lease = decoded("LeaseKeepAliveRequest", data).get("ID", 0)
            reply = await self._shards.ask((KEEPALIVE, lease))
            ttl_s = reply[1] if reply[0] == OK else 0
            fields = {"ID": lease, "TTL": ttl_s}
            await context.write(self._response("LeaseKeepAliveResponse", fields))

    def _response(self, name: str, fields: Message) -> bytes:
        return self._identity.header(self._shards.revision) + encoded(name, fields)
