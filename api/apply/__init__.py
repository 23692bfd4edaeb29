"""Server-side apply and managedFields as pure functions of objects.

``apply_patch`` makes the object of an apply patch; ``track_create``, ``track_update`` and
``track_scale`` record what other writers come to own.
"""

from api.apply.applying import FIRST_WRITER, apply_patch
from api.apply.owners import Writer
from api.apply.tracking import (
    manager_of,
    track_create,
    track_known_create,
    track_scale,
    track_update,
)

__all__ = [
    "FIRST_WRITER",
    "Writer",
    "apply_patch",
    "manager_of",
    "track_create",
    "track_known_create",
    "track_scale",
    "track_update",
]
