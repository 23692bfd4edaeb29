"""Defaults of claims for devices.

Source: pkg/apis/resource/v1/defaults.go of Kubernetes 1.36.
"""

from api.core import JsonObject

EXACT_COUNT = "ExactCount"


def set_device_claim_defaults(claim: JsonObject) -> None:
    """A ResourceClaim, in place."""
    _set_spec_defaults(claim["spec"])


def set_device_claim_template_defaults(template: JsonObject) -> None:
    """A ResourceClaimTemplate, in place."""
    _set_spec_defaults(template["spec"]["spec"])


def _set_spec_defaults(spec: JsonObject) -> None:
    for request in spec.get("devices", {}).get("requests") or ():
        if request.get("exactly") is not None:
            _set_request_defaults(request["exactly"])
        for alternative in request.get("firstAvailable") or ():
            _set_request_defaults(alternative)


def _set_request_defaults(request: JsonObject) -> None:
    request["allocationMode"] = request.get("allocationMode") or EXACT_COUNT
    if request["allocationMode"] == EXACT_COUNT:
        request["count"] = request.get("count") or 1
    for toleration in request.get("tolerations") or ():
        toleration["operator"] = toleration.get("operator") or "Equal"
