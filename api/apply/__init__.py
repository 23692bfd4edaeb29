"""Server-side apply and managedFields as pure functions of objects.

``apply_patch`` makes the object of an apply patch; ``track_create``, ``track_update`` and
``track_scale`` record what other writers come to own; the Scale of an object has owners of its own.
"""

from api.apply.applying import FIRST_WRITER, apply_patch
from api.apply.owners import Writer
from api.apply.scales import owners_of_scale, owners_of_scaled
from api.apply.tracking import (
    creator_entry,
    manager_of,
    track_create,
    track_scale,
    track_update,
)

__all__ = [
    "FIRST_WRITER",
    "Writer",
    "apply_patch",
    "creator_entry",
    "manager_of",
    "owners_of_scale",
    "owners_of_scaled",
    "track_create",
    "track_scale",
    "track_update",
]
