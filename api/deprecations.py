"""Kinds whose use the server warns of.

Source: the prerelease-lifecycle-gen tags of k8s.io/api v0.36; tests/golden/api.
"""

from collections.abc import Mapping

DEPRECATED: Mapping[str, str] = {
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""Resource key -> the text of the warning that every answer about it carries."""
