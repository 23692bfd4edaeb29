"""What is refused of what steers the server: flow control, webhooks, policies, certificates."""

from base64 import b64encode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create
from api.validation import (
    validate_approval,
    validate_create,
    validate_status_update,
    validate_update,
)

FLOWS = "flowcontrol.apiserver.k8s.io/flowschemas"
LEVELS = "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations"
ADMISSION = "admissionregistration.k8s.io"
HOOKS = f"{ADMISSION}/validatingwebhookconfigurations"
POLICIES = f"{ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"{ADMISSION}/validatingadmissionpolicybindings"
REQUESTS = "certificates.k8s.io/certificatesigningrequests"
EVERY = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK = {
    "name": "a.example.com",
    "rules": [RULE],
    "clientConfig": {"url": "https://a.example.com/x"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
POLICY = {
    "matchConstraints": {"resourceRules": [RULE]},
    "validations": [{"expression": "object.spec.replicas <= 5"}],
}


def made(key: str, body: JsonObject, name: str = "a") -> JsonObject:
    kind = kind_of(key)
    obj: JsonObject = {"metadata": {"name": name, "uid": "u"}, **body}
    set_defaults(kind, obj)
    prepare_create(kind, obj, 0)
    return obj


def said(key: str, body: JsonObject, name: str = "a") -> list[str]:
    return [cause.text for cause in validate_create(kind_of(key), made(key, body, name))]


def flow(**spec: Any) -> JsonObject:
    subject = {"kind": "User", "user": {"name": "u"}}
    rule = {"subjects": [subject], "resourceRules": [EVERY]}
    return {"spec": {"priorityLevelConfiguration": {"name": "p"}, "rules": [rule], **spec}}


def limited(**spec: Any) -> JsonObject:
    return {"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, **spec}}}


def hook(**spec: Any) -> JsonObject:
    return {"webhooks": [{**HOOK, **spec}]}


def test_right_ones_pass() -> None:
    assert said(FLOWS, flow()) == []
    assert said(LEVELS, limited(limitResponse={"type": "Queue", "queuing": {}})) == []
    assert said(HOOKS, hook(matchConditions=[{"name": "a", "expression": "a.?b.hasValue()"}])) == []
    assert said(POLICIES, {"spec": POLICY}) == []
    assert said(BINDINGS, {"spec": {"policyName": "p", "validationActions": ["Deny"]}}) == []
    assert said(REQUESTS, {"spec": asked()}, "system:node:a") == []


@pytest.mark.parametrize(
    ("key", "body", "texts"),
    [
        (
            FLOWS,
            flow(matchingPrecedence=1, distinguisherMethod={"type": "X"}),
            [
                "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may "
                "have matchingPrecedence 1",
                'spec.distinguisherMethod.type: Unsupported value: {"Type":"X"}: supported '
                'values: "ByNamespace", "ByUser"',
            ],
        ),
        (
            FLOWS,
            flow(
                rules=[
                    {
                        "subjects": [{"kind": "User", "group": {"name": "g"}}],
                        "resourceRules": [{**EVERY, "namespaces": [], "verbs": ["*", "get"]}],
                        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["a", "/*a"]}],
                    }
                ]
            ),
            [
                "spec.rules[0].subjects[0].user: Required value: user is required when subject "
                "kind is 'User'",
                "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind "
                "is not 'Group'",
                'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is '
                "present, must not specify other verbs",
                "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that "
                "are not cluster scoped must supply at least one namespace",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must '
                "start with slash",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/*a": '
                "wildcard can only do suffix matching",
            ],
        ),
        (
            LEVELS,
            limited(
                nominalConcurrencyShares=-1,
                lendablePercent=101,
                limitResponse={"type": "Queue", "queuing": {"queues": 64, "handSize": 11}},
            ),
            [
                "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative "
                "integer",
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 11: required entropy "
                "bits of deckSize 64 and handSize 11 should not be greater than 60",
                "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, "
                "inclusive",
            ],
        ),
        (
            LEVELS,
            {"spec": {"type": "Exempt"}},
            [
                "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name "
                "is 'exempt'"
            ],
        ),
        (
            HOOKS,
            hook(name="a.b", sideEffects="Some", timeoutSeconds=31),
            [
                'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three '
                "segments separated by dots",
                'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", '
                '"NoneOnDryRun"',
                "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between "
                "1 and 30 seconds",
            ],
        ),
        (
            HOOKS,
            hook(
                clientConfig={"url": "http://a?b"},
                admissionReviewVersions=["v2"],
                rules=[{**RULE, "resources": ["*/*", "pods/log"]}],
                matchConditions=[{"name": "a", "expression": "x +"}],
            ),
            [
                'webhooks[0].rules[0].resources: Invalid value: ["*/*","pods/log"]: if \'*/*\' '
                "is present, must not specify other resources",
                "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only "
                "allowed URL scheme; desired format: https://host[/path]",
                'webhooks[0].clientConfig.url: Invalid value: "b": query parameters are not '
                "permitted in the URL",
                'webhooks[0].matchConditions[0].expression: Invalid value: "x +": compilation '
                "failed: ERROR: <input>:1:4: Syntax error",
                'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at '
                "least one of v1, v1beta1",
            ],
        ),
        (
            POLICIES,
            {"spec": {"matchConstraints": {}, "paramKind": {"apiVersion": "a/b/c", "kind": "K"}}},
            [
                'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion '
                "string: a/b/c",
                "spec.matchConstraints.resourceRules: Required value",
                "spec.validations: Required value: validations or auditAnnotations must contain "
                "at least one item",
                "spec.auditAnnotations: Required value: validations or auditAnnotations must "
                "contain at least one item",
            ],
        ),
        (
            POLICIES,
            {
                "spec": {
                    **POLICY,
                    "variables": [{"name": "in", "expression": "1"}],
                    "validations": [{"expression": " ", "message": "a\nb", "reason": "Why"}],
                }
            },
            [
                'spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier',
                "spec.validations[0].expression: Required value: expression is not specified",
                'spec.validations[0].message: Invalid value: "a\\nb": message must not contain '
                "line breaks",
                'spec.validations[0].reason: Unsupported value: "Why": supported values: '
                '"Forbidden", "Invalid", "RequestEntityTooLarge"',
            ],
        ),
        (
            BINDINGS,
            {"spec": {"policyName": "p", "paramRef": {}, "validationActions": ["Deny", "Warn"]}},
            [
                "spec.paramRef: Required value: one of name or selector must be specified",
                "spec.paramRef.parameterNotFoundAction: Required value",
                'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both '
                "Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)",
            ],
        ),
    ],
)
def test_by_rule(key: str, body: JsonObject, texts: list[str]) -> None:
    found = said(key, body)
    assert len(found) == len(texts)
    # What a parser expected instead is not repeated here.
    assert [text[: len(wanted)] for text, wanted in zip(found, texts, strict=True)] == texts


def test_what_every_server_has_stays_as_it_is() -> None:
    assert said(LEVELS, limited(nominalConcurrencyShares=5), "catch-all") == []
    assert "must equal the fixed value" in said(LEVELS, limited(), "catch-all")[0]
    shares = {"nominalConcurrencyShares": 7, "lendablePercent": 0}
    assert said(LEVELS, {"spec": {"type": "Exempt", "exempt": shares}}, "exempt") == []
    assert "spec of 'exempt' must equal" in said(FLOWS, flow(matchingPrecedence=1), "exempt")[0]


def test_a_webhook_that_was_wrong_may_stay_so() -> None:
    kind = kind_of(HOOKS)
    new, old = made(HOOKS, hook(sideEffects="Some")), made(HOOKS, hook(sideEffects="Unknown"))
    assert validate_update(kind, new, old) == []
    assert len(validate_update(kind, new, made(HOOKS, hook()))) == 1


def test_an_address_is_named_as_it_is_written() -> None:
    body = {"spec": {"parentRef": {"resource": "services", "name": "s"}}}
    key = "networking.k8s.io/ipaddresses"
    assert said(key, body, "2001:db8::1") == []
    assert "must be in canonical form" in said(key, body, "2001:DB8::1")[0]
    assert "must be a valid IP address" in said(key, body, "a")[0]
    assert said(key, {"spec": {"parentRef": {"resource": "services"}}}, "10.0.0.1") == [
        "spec.parentRef.name: Required value"
    ]


def csr() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return b64encode(pem).decode()


def asked(**spec: Any) -> JsonObject:
    return {"request": csr(), "signerName": "example.com/s", "usages": ["client auth"], **spec}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"request": "YQ=="}, "PEM block type must be CERTIFICATE REQUEST"),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["signing", "signing"]}, 'spec.usages[1]: Duplicate value: "signing"'),
        ({"signerName": "a"}, "must be a fully qualified domain and path of the form"),
        ({"signerName": "a/b"}, "should be a domain with at least two segments"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "the legacy signerName is not allowed"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 600 seconds"),
    ],
)
def test_requests_for_certificates(spec: JsonObject, text: str) -> None:
    found = said(REQUESTS, {"spec": asked(**spec)})
    assert len(found) == 1 and text in found[0]


def test_who_writes_what_of_the_status_of_a_request() -> None:
    kind = kind_of(REQUESTS)
    old = made(REQUESTS, {"spec": asked()})

    def with_status(*types: str, **status: Any) -> JsonObject:
        conditions = [{"type": name, "status": "True"} for name in types]
        return {**old, "status": {"conditions": conditions, **status}}

    def texts(causes: list[Any]) -> list[str]:
        return [cause.text for cause in causes]

    approved, field = with_status("Approved"), "status.conditions: Forbidden: updates may not"
    assert validate_approval(kind, approved, old) == []
    assert texts(validate_status_update(kind, approved, old)) == [
        f'{field} add a condition of type "Approved"'
    ]
    assert texts(validate_approval(kind, old, approved)) == [
        f'{field} remove a condition of type "Approved"'
    ]
    both = texts(validate_approval(kind, with_status("Approved", "Denied"), approved))
    assert len(both) == 1 and "mutually exclusive" in both[0]
    wrong = with_status(certificate="YQ==")
    assert texts(validate_status_update(kind, wrong, old)) == [
        'status.certificate: Invalid value: "<certificate data>": must contain at least one '
        "CERTIFICATE PEM block"
    ]
