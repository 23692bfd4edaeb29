"""The table of kinds: look-ups by key, path and name, and the words that messages use."""

import pytest

from api.fields import UnknownTypeError, fields_of, json_fields
from api.kinds import (
    SERVED,
    UnknownKindError,
    all_kinds,
    has_resource,
    kind_by_gvk,
    kind_by_path,
    kind_of,
    split_api_version,
)


def test_served_kinds_are_in_the_table_and_switched_on() -> None:
    for key in SERVED:
        kind = kind_of(key)
        assert kind.key == key
        assert not kind.off
        assert {"create", "get", "list", "watch", "delete"} <= set(kind.verbs)
        assert json_fields(kind.type_name)["metadata"].type.struct.endswith(".ObjectMeta")


def test_deployment() -> None:
    kind = kind_of("apps/deployments")
    assert (kind.group, kind.version, kind.kind) == ("apps", "v1", "Deployment")
    assert (kind.resource, kind.singular, kind.list_kind) == (
        "deployments",
        "deployment",
        "DeploymentList",
    )
    assert kind.short_names == ("deploy",)
    assert kind.categories == ("all",)
    assert kind.namespaced
    assert kind.api_version == "apps/v1"
    assert kind.qualified == "Deployment.apps"
    assert kind.qualified_resource == "deployments.apps"
    scale = kind.subresource("scale")
    assert scale is not None
    assert (scale.group, scale.version, scale.kind) == ("autoscaling", "v1", "Scale")
    status = kind.subresource("status")
    assert status is not None
    assert (status.group, status.version, status.kind) == ("apps", "v1", "Deployment")
    assert kind.subresource("log") is None
    assert kind_by_path("apps", "v1", "deployments") is kind
    assert kind_by_gvk("apps", "v1", "Deployment") is kind


def test_a_key_means_the_preferred_version() -> None:
    assert kind_of("autoscaling/horizontalpodautoscalers").version == "v2"
    assert kind_of("resource.k8s.io/resourceclaims").version == "v1"
    assert kind_of("certificates.k8s.io/clustertrustbundles").version == "v1beta1"
    assert not kind_of("nodes").namespaced


def test_kinds_without_a_resource_are_known_by_name() -> None:
    assert kind_by_gvk("policy", "v1", "Eviction").resource == ""
    assert not has_resource("evictions")
    assert len(all_kinds()) == 182


def test_unknown() -> None:
    with pytest.raises(UnknownKindError, match=r"^unknown resource 'apps/pods'$"):
        kind_of("apps/pods")
    with pytest.raises(UnknownKindError, match=r"^unknown resource 'pods' in apps/v1$"):
        kind_by_path("apps", "v1", "pods")
    with pytest.raises(UnknownKindError, match=r"^unknown kind 'Pod' in apps/v1$"):
        kind_by_gvk("apps", "v1", "Pod")
    with pytest.raises(UnknownTypeError, match=r"^unknown type 'api.core.v1.Nothing'$"):
        fields_of("api.core.v1.Nothing")


def test_api_versions_are_split() -> None:
    assert split_api_version("v1") == ("", "v1")
    assert split_api_version("apps/v1") == ("apps", "v1")
