"""Defaults of CustomResourceDefinitions.

Source: apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go; tests/golden/api/
defaults.jsonl, def-crd.
"""

from api.core import JsonObject


def set_definition_defaults(definition: JsonObject) -> None:
    """Names that follow from the kind, and no conversion."""
    spec = definition["spec"]
    names = spec["names"]
    if names["kind"]:
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
