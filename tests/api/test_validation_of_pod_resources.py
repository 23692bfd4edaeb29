"""Claims for devices, resources of whole pods, restarts of single containers, strict addresses: by
the rules of Kubernetes 1.36, not by record."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.validation import validate_create
from api.validation.addresses import BAD_ADDRESS, BAD_CIDR, wrong_with_cidr, wrong_with_ip

C = "spec.containers[0]"
CLAIM = {"name": "a", "resourceClaimName": "x"}
NO_SUCH = "must be one of the names in pod.spec.resourceClaims"


def causes_of(container: JsonObject, **spec: Any) -> list[str]:
    whole = {"containers": [{"name": "c", "image": "i", **container}], **spec}
    pod: JsonObject = {"metadata": {"name": "p", "namespace": "x"}, "spec": whole}
    set_defaults(kind_of("pods"), pod)
    return [cause.text for cause in validate_create(kind_of("pods"), pod)]


@pytest.mark.parametrize(
    ("claims", "causes"),
    [
        ([CLAIM], []),
        ([{"name": "a"}],
         ['spec.resourceClaims[0]: Invalid value: {"Name":"a","ResourceClaimName":null,'
          '"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, '
          "`resourceClaimTemplateName`"]),
        ([CLAIM, CLAIM], ['spec.resourceClaims[1].name: Duplicate value: "a"']),
        ([{**CLAIM, "resourceClaimTemplateName": "y"}],
         ['spec.resourceClaims[0]: Invalid value: {"Name":"a","ResourceClaimName":"x",'
          '"ResourceClaimTemplateName":"y"}: at most one of `resourceClaimName` or '
          "`resourceClaimTemplateName` may be specified"]),
        ([{"name": "", "resourceClaimName": "x"}], ["spec.resourceClaims[0].name: Required value"]),
    ],
)  # fmt: skip
def test_claims_of_a_pod(claims: list[JsonObject], causes: list[str]) -> None:
    assert causes_of({}, resourceClaims=claims) == causes


@pytest.mark.parametrize(
    ("named", "causes"),
    [
        ([{"name": "a"}], []),
        ([{"name": "a", "request": "r"}, {"name": "a", "request": "s"}], []),
        ([{"name": "a"}, {"name": "a", "request": "r"}],
         [f'{C}.resources.claims[1]: Duplicate value: "a"']),
        ([{"name": "a", "request": "r"}, {"name": "a"}],
         [f'{C}.resources.claims[1]: Duplicate value: "a"']),
        ([{"name": "b"}], [f'{C}.resources.claims[0]: Not found: "b": {NO_SUCH}: a']),
    ],
)  # fmt: skip
def test_claims_of_a_container(named: list[JsonObject], causes: list[str]) -> None:
    assert causes_of({"resources": {"claims": named}}, resourceClaims=[CLAIM]) == causes


def test_a_claim_of_a_pod_without_claims() -> None:
    text = f'{C}.resources.claims[0]: Not found: "a": {NO_SUCH} which is empty'
    assert causes_of({"resources": {"claims": [{"name": "a"}]}}) == [text]


def test_a_whole_pod_asks_for_no_less_than_its_containers() -> None:
    container = {"resources": {"requests": {"cpu": "3"}, "limits": {"memory": "3Gi"}}}
    own = {"requests": {"cpu": "2", "foo": "1"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    assert causes_of(container, resources=own) == [
        'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        'spec.resources.requests[foo]: Invalid value: "foo": must be a standard resource type or '
        "fully qualified",
        'spec.resources.requests: Invalid value: "3Gi": must be less than or equal to memory limit '
        "of 2Gi",
        'spec.resources.requests[cpu]: Invalid value: "2": must be greater than or equal to '
        "aggregate container requests of 3",
        'spec.resources.containers[0][memory].limits: Invalid value: "3Gi": must be less than or '
        "equal to pod limits of 2Gi",
    ]
    named = {"limits": {"ephemeral-storage": "1"}, "claims": [{"name": "a"}]}
    wrong = (
        'Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"'
    )
    assert causes_of({}, resources=named, resourceClaims=[CLAIM]) == [
        "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
        f"spec.resources.limits[ephemeral-storage]: {wrong}",
    ]


def test_huge_pages_come_whole() -> None:
    for name in ("hugepages-2Mi", "hugepages-x"):
        limits = {"cpu": "1", name: "3Mi"}
        text = f'Invalid value: "3Mi": 3Mi is not positive integer multiple of {name}'
        assert causes_of({"resources": {"limits": limits}}) == [
            f"{C}.resources.{part}[{name}]: {text}" for part in ("limits", "requests")
        ]


@pytest.mark.parametrize(
    ("container", "causes"),
    [
        ({"restartPolicy": "Never"}, []),
        ({"restartPolicy": "X"},
         [f'{C}.restartPolicy: Unsupported value: "X": supported values: "Always", "Never", '
          '"OnFailure"']),
        ({"restartPolicyRules": [{"action": "X"}]},
         [f"{C}.restartPolicy: Required value: must specify restartPolicy when restart rules are "
          "used",
          f'{C}.restartPolicyRules[0].action: Unsupported value: "X": supported values: "Restart", '
          '"RestartAllContainers"',
          f"{C}.restartPolicyRules[0].exitCodes: Required value: must be specified"]),
        ({"restartPolicy": "Never",
          "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "Is"}}]},
         [f'{C}.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Is": supported '
          'values: "In", "NotIn"']),
        ({"env": [{"name": "a", "valueFrom": {}}]},
         [f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
          "`resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"]),
        ({"terminationMessagePolicy": "X"},
         [f'{C}.terminationMessagePolicy: Unsupported value: "X": supported values: "File", '
          '"FallbackToLogsOnError"']),
    ],
)  # fmt: skip
def test_single_containers(container: JsonObject, causes: list[str]) -> None:
    assert causes_of(container) == causes


def test_no_pod_has_less_than_no_time_to_end() -> None:
    pod = {"metadata": {}, "spec": {"containers": [], "terminationGracePeriodSeconds": -5}}
    set_defaults(kind_of("pods"), pod)
    assert pod["spec"]["terminationGracePeriodSeconds"] == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10.0.0.1", ()), ("0.0.0.0", ()), ("::", ()), ("2001:db8::10", ()), ("::0:0012", ()),
        ("x", (BAD_ADDRESS,)), ("", (BAD_ADDRESS,)), ("fe80::1%a", (BAD_ADDRESS,)),
        ("010.0.0.1", ("must not have leading 0s",)), ("10.0.00.1", ("must not have leading 0s",)),
        ("::ffff:1.2.3.4", ("must not be an IPv4-mapped IPv6 address",)),
    ],
)  # fmt: skip
def test_addresses_are_written_strictly(text: str, wrong: tuple[str, ...]) -> None:
    assert wrong_with_ip(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10.0.0.0/8", ()), ("0.0.0.0/0", ()), ("2001:db8::/32", ()), ("10.1.1.1/32", ()),
        ("10.0.0.0", (BAD_CIDR,)), ("10.0.0.0/33", (BAD_CIDR,)), ("x/8", (BAD_CIDR,)),
        ("10.0.0.0/+8", (BAD_CIDR,)),
        ("010.0.0.0/8", ("must not have leading 0s in IP or prefix length",)),
        ("10.0.0.0/08", ("must not have leading 0s in IP or prefix length",)),
        ("::ffff:1.2.3.0/120", ("must not have an IPv4-mapped IPv6 address",)),
        ("10.0.0.1/8", ("must not have bits set beyond the prefix length",)),
    ],
)  # fmt: skip
def test_ranges_are_written_strictly(text: str, wrong: tuple[str, ...]) -> None:
    assert wrong_with_cidr(text) == wrong
