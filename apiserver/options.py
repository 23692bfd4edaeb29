"""The options of writes, from the query and from bodies, checked as Kubernetes checks them.

Source: apimachinery/pkg/apis/meta/v1/validation/validation.go at v0.36.3.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from api.core import JsonObject
from api.errors import Cause, Invalid
from apiserver.negotiate import boolean, integer

_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
_MANAGER_BYTES_MAX = 128


class WriteOptions(NamedTuple):
    """Options of create, update and patch."""

    dry_run: bool
    field_validation: str
    """"Strict", "Warn" or "Ignore"."""


_PLAIN_HTTP = WriteOptions(False, "Warn")
_PLAIN_FRAME = WriteOptions(False, "Ignore")


def write_options(kind: str, query: Mapping[str, str], over_frames: bool) -> WriteOptions:
    """``kind``: CreateOptions, UpdateOptions or PatchOptions, for messages.

    Over frames the default is Ignore: nobody reads warnings there."""
    if not query:
        return _PLAIN_FRAME if over_frames else _PLAIN_HTTP
    causes: list[Cause] = []
    manager = query.get("fieldManager", "")
    if len(manager.encode()) > _MANAGER_BYTES_MAX:
        causes.append(Cause.too_long("fieldManager", _MANAGER_BYTES_MAX))
    causes += _unprintable(manager)
    causes += _dry_run_causes([query["dryRun"]] if query.get("dryRun") else [])
    validation = query.get("fieldValidation", "")
    if validation not in _FIELD_VALIDATION:
        causes.append(Cause.not_supported("fieldValidation", validation, _FIELD_VALIDATION))
    if kind == "PatchOptions" and "force" in query:
        causes.append(Cause.forbidden("force", "may not be specified for non-apply patch"))
    if causes:
        raise Invalid(f"{kind}.meta.k8s.io", "", causes)
    default = "Ignore" if over_frames else "Warn"
    return WriteOptions(bool(query.get("dryRun")), validation or default)


def _unprintable(manager: str) -> Iterator[Cause]:
    """A position counts bytes, as in Go's loop over a string."""
    position = 0
    for letter in manager:
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {position})"
            yield Cause.invalid("fieldManager", manager, text)
        position += len(letter.encode(errors="surrogatepass"))


class ApplyOptions(NamedTuple):
    """Options of a server-side apply."""

    write: WriteOptions
    force: bool
    """Take what others own."""


def apply_options(query: Mapping[str, str], over_frames: bool) -> ApplyOptions:
    """As ``write_options``, of an apply: a manager is needed, force is allowed."""
    if not query.get("fieldManager"):
        cause = Cause.required("fieldManager", "is required for apply patch")
        raise Invalid("PatchOptions.meta.k8s.io", "", [cause])
    others = {name: value for name, value in query.items() if name != "force"}
    return ApplyOptions(write_options("PatchOptions", others, over_frames), boolean(query, "force"))


def _dry_run_causes(values: list[str]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    return [Cause("dryRun", "FieldValueNotSupported", _dry_run_text(values))]


def _dry_run_text(values: list[str]) -> str:
    listed = " ".join(f'"{value}"' for value in values)
    return f'Unsupported value: [{listed}]: supported values: "All"'


class DeleteOptions(NamedTuple):
    """Options of delete and deletecollection."""

    dry_run: bool = False
    grace_period_s: int | None = None
    propagation: str = ""
    """"Foreground", "Background", "Orphan" or empty: what the kind does by default."""
    uid: str = ""
    resource_version: str = ""


_PROPAGATIONS = ("Foreground", "Background", "Orphan")


def delete_options(query: Mapping[str, str], body: JsonObject | None) -> DeleteOptions:
    """From the body if there is one, else from the query, where the preconditions stand too.
    Source: Convert_url_Values_To_v1_DeleteOptions, apimachinery/pkg/apis/meta/v1/conversion.go."""
    if body is None and not query:
        return DeleteOptions()
    if body is not None:
        grace = body.get("gracePeriodSeconds")
        propagation = body.get("propagationPolicy")
        orphan = body.get("orphanDependents")
        dry_run = body.get("dryRun") or []
        conditions = body.get("preconditions") or {}
    else:
        grace = _integer(query, "gracePeriodSeconds")
        propagation = query.get("propagationPolicy")
        orphan = boolean(query, "orphanDependents") if "orphanDependents" in query else None
        dry_run = [query["dryRun"]] if query.get("dryRun") else []
        conditions = {name: query.get(name) for name in ("uid", "resourceVersion")}
    causes: list[Cause] = []
    if propagation is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause.invalid("propagationPolicy", propagation, text))
    elif propagation is not None and propagation not in _PROPAGATIONS:
        causes.append(
            Cause.not_supported("propagationPolicy", propagation, (*_PROPAGATIONS, "nil"))
        )
    causes += _dry_run_causes(dry_run)
    if causes:
        raise Invalid("DeleteOptions.meta.k8s.io", "", causes)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    return DeleteOptions(
        bool(dry_run),
        grace,
        propagation or "",
        conditions.get("uid") or "",
        conditions.get("resourceVersion") or "",
    )


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    return integer(text) if text else None
