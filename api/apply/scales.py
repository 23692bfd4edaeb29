"""Who owns replicas: of an object, and of the Scale that shows them.

A Scale is applied like any object. Its owners are those of the object's replicas, and what becomes
of them is carried back.

Source: ToSubresource and ToParent in scalehandler.go of apimachinery/pkg/util/managedfields.
"""

from collections.abc import Sequence

from api.apply.owners import Owner, Owners, entries_of, stored_owners
from api.apply.sets import difference, has, of_paths, ordered, union
from api.core import JsonObject
from api.kinds import Kind

SCALE_VERSION = "autoscaling/v1"
_IN_SCALE = ("f:spec", "f:replicas")
_Who = tuple[str, str, str]


def _who(owner: Owner) -> _Who:
    return (owner.manager, owner.operation, owner.subresource)


def owners_of_scale(obj: JsonObject, path: Sequence[str]) -> list[JsonObject]:
    """managedFields of the Scale of a stored object, whose replicas are at ``path``, a list of
    names of fields."""
    where = tuple(f"f:{name}" for name in path)
    return entries_of(
        {
            identity: owner._replace(api_version=SCALE_VERSION, fields=of_paths(_IN_SCALE))
            for identity, owner in stored_owners(obj["metadata"].get("managedFields")).items()
            if has(owner.fields, where)
        }
    )


def owners_of_scaled(
    kind: Kind, obj: JsonObject, scale: JsonObject, path: Sequence[str]
) -> list[JsonObject]:
    """managedFields of a stored object after an apply that made this Scale of it."""
    where = tuple(f"f:{name}" for name in path)
    replicas = of_paths(where)
    of_scale = {
        _who(owner): owner
        for owner in stored_owners(scale["metadata"].get("managedFields")).values()
        if has(owner.fields, _IN_SCALE)
    }
    owners: Owners = {}
    for identity, owner in stored_owners(obj["metadata"].get("managedFields")).items():
        if not has(owner.fields, where) or of_scale.pop(_who(owner), None) is not None:
            owners[identity] = owner
            continue
        left = difference(owner.fields, replicas)
        if left:
            owners[identity] = owner._replace(fields=left)
    for owner in of_scale.values():
        mine = owner._replace(api_version=kind.api_version, fields=replicas)
        known = owners.get(mine.identity)
        if known is not None:
            fields = ordered(union(known.fields, replicas))
            mine = known._replace(fields=fields, time=owner.time)
        owners[mine.identity] = mine
    return entries_of(owners)
