"""From client-side to server-side apply: what ``kubectl apply`` wrote down counts for its twin.

Only the manager ``kubectl`` (the default of ``kubectl apply --server-side``) is treated so.
Source: lastappliedmanager.go and lastappliedupdater.go of
apimachinery/pkg/util/managedfields/internal at v0.36.3.
"""

import orjson

from api.apply.schema import kind_atom
from api.apply.sets import EMPTY, FieldSet, difference, union
from api.apply.typed import misfit
from api.apply.walk import compare, field_set
from api.core import JsonObject
from api.kinds import Kind

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATIONS_BYTES_MAX = 262_144
"""Above it the note is emptied. Source: TotalAnnotationSizeLimitB, apimachinery validation."""


def applied_by_client(kind: Kind, live: JsonObject) -> FieldSet:
    """What client-side apply set and nobody has changed since: no conflict for its successor."""
    try:
        applied = orjson.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED, ""))
    except orjson.JSONDecodeError:
        return EMPTY
    if not isinstance(applied, dict) or applied.get("apiVersion") != kind.api_version:
        return EMPTY
    atom = kind_atom(kind)
    if misfit(atom, applied) is not None:
        return EMPTY
    compared = compare(atom, applied, live)
    return difference(field_set(atom, applied), union(compared.taken, compared.removed))


def note_last_applied(new: JsonObject, patch: JsonObject) -> None:
    """Keep the note of client-side apply up to date, in place, where there is one."""
    annotations = new["metadata"].get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return
    meta = dict(patch.get("metadata") or {})
    noted = {
        name: text for name, text in (meta.get("annotations") or {}).items() if name != LAST_APPLIED
    }
    meta.pop("annotations", None)
    if noted:
        meta["annotations"] = noted
    # As Go writes a map, with a line feed at the end.
    text = orjson.dumps({**patch, "metadata": meta}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    others = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())
    others -= len(annotations[LAST_APPLIED].encode())
    annotations[LAST_APPLIED] = text if others + len(text.encode()) <= ANNOTATIONS_BYTES_MAX else ""
