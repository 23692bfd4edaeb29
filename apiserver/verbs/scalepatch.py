"""PUT and PATCH of a Scale, in the three ways and by apply: what it becomes and who owns it."""

from collections.abc import Sequence

from api.apply import apply_patch, owners_of_scale, owners_of_scaled
from api.calls import APPLY_PATCH
from api.core import JsonObject
from api.errors import Cause, Invalid, PlainError
from api.kinds import Kind, kind_by_gvk
from api.structure import check_structure
from apiserver.bodies import decode_object
from apiserver.options import WriteOptions, apply_options, write_options
from apiserver.ownership import writer_of
from apiserver.patching import patch_of
from apiserver.registry import Registry, Request
from apiserver.verbs.apply import parsed_wish, refuse_twice
from apiserver.verbs.update import check_identity

SCALE = kind_by_gvk("autoscaling", "v1", "Scale")


class ScalePatch:
    """What the body of a PATCH makes of Scales."""

    def __init__(self, registry: Registry, request: Request) -> None:
        self._registry, self._request = registry, request
        self._apply: JsonObject | None = None
        self.options: WriteOptions
        if request.content_type.partition(";")[0].strip() == APPLY_PATCH:
            options = apply_options(request.options, request.over_frames)
            self.options, self._force = options.write, options.force
            self._apply, twice = parsed_wish(request)
            refuse_twice(twice, options.write)
        else:
            self.options = write_options("PatchOptions", request.options, request.over_frames)
            self._patch = patch_of(request.kind, request, SCALE.type_name)

    @property
    def applies(self) -> bool:
        """Whether its owners are those of an apply."""
        return self._apply is not None

    def wanted(self, scale: JsonObject, obj: JsonObject, path: Sequence[str]) -> JsonObject:
        """The Scale that is wanted instead of ``scale``, that of ``obj`` with its replicas at
        ``path``. Invalid, Conflict, PlainError."""
        if self._apply is None:
            made = self._patch(scale)
            found = check_structure(SCALE.type_name, made)
            if found.error is not None:
                raise Invalid("", "", [Cause.invalid("patch", "", found.error)])
        else:
            live = _with_owners(scale, owners_of_scale(obj, path))
            writer = writer_of(self._registry, self._request)
            made = apply_patch(SCALE, live, self._apply, writer, self._force)
            found = check_structure(SCALE.type_name, made)
            if found.error is not None:
                name = self._request.name
                raise PlainError(f"failed to convert new object ({name}): {found.error}")
        check_identity(self._request, made)
        return made


def wish_of(
    registry: Registry, request: Request
) -> tuple[ScalePatch | None, WriteOptions, JsonObject]:
    """What a PATCH or PUT of a Scale asks for: its patch, the options of either, and, without a
    patch, the whole Scale. BadRequest, Conflict, Invalid."""
    if request.verb == "patch":
        patch = ScalePatch(registry, request)
        return patch, patch.options, {}
    options = write_options("UpdateOptions", request.options, request.over_frames)
    given, _ = decode_object(SCALE, request, options.field_validation)
    check_identity(request, given)
    return None, options, given


def set_owners(
    kind: Kind, new: JsonObject, old: JsonObject, scale: JsonObject, path: Sequence[str]
) -> None:
    """Write into ``new``, which an applied ``scale`` made of ``old``, who owns it."""
    owners = owners_of_scaled(kind, old, scale, path)
    new["metadata"].pop("managedFields", None)
    if owners:
        new["metadata"]["managedFields"] = owners


def _with_owners(scale: JsonObject, owners: list[JsonObject]) -> JsonObject:
    meta = {**scale["metadata"], **({"managedFields": owners} if owners else {})}
    return {**scale, "metadata": meta}
