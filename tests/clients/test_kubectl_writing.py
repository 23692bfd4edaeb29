"""What an unmodified kubectl writes. Numbers are those of the acceptance checks."""

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Text
from tests.clients.manifests import DEPLOYMENT, POD, SETTINGS, TWO
from tests.clients.programs import PATIENT, Client

pytestmark = pytest.mark.kubectl
GREEN = SETTINGS.replace("blue", "green")
TYPO = POD.replace("image: busybox", "imagee: busybox, image: busybox")


def test_create_of_several_documents_and_again(here: Client, said: Text) -> None:
    """8, 9"""
    assert said("create", "-f", "-", stdin=TWO) == "pod/lone created\nconfigmap/settings created\n"
    again = here("create", "-f", "-", stdin=TWO, check=False)
    assert again.returncode == 1
    assert 'Error from server (AlreadyExists): error when creating "STDIN": pods "lone"' in (
        again.stderr
    )


def test_apply_creates_changes_and_rolls_out(here: Client, said: Text) -> None:
    """10, 11, 12"""
    assert said("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    done = said("rollout", "status", "deployment/web", PATIENT)
    assert 'deployment "web" successfully rolled out' in done
    assert said("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    changed = DEPLOYMENT.replace("nginx:1", "nginx:2")
    assert said("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    here("rollout", "status", "deployment/web", PATIENT)
    images = said("get", "replicasets", "-o", "jsonpath={..containers[0].image}").split()
    assert sorted(images) == ["nginx:1", "nginx:2"]


def test_apply_server_side_conflicts_and_force(here: Client, said: Text) -> None:
    """13"""
    mine = ("apply", "--server-side", "-f", "-")
    assert said(*mine, stdin=SETTINGS) == "configmap/settings serverside-applied\n"
    other = (*mine, "--field-manager=other")
    refused = here(*other, stdin=GREEN, check=False)
    assert 'conflict with "kubectl": .data.colour' in refused.stderr
    here(*other, "--force-conflicts", stdin=GREEN)
    assert said("get", "configmap", "settings", "-o", "jsonpath={.data.colour}") == "green"
    assert 'conflict with "other"' in here(*mine, stdin=SETTINGS, check=False).stderr


def test_diff_says_by_its_code_whether_there_is_one(here: Client) -> None:
    """14"""
    here("apply", "-f", "-", stdin=SETTINGS)
    same = here("diff", "-f", "-", stdin=SETTINGS, check=False)
    assert (same.returncode, same.stdout) == (0, "")
    differs = here("diff", "-f", "-", stdin=GREEN, check=False)
    assert differs.returncode == 1
    assert "-  colour: blue" in differs.stdout and "+  colour: green" in differs.stdout


def test_a_dry_run_of_the_server_changes_nothing(here: Client, said: Text) -> None:
    """15"""
    here("apply", "-f", "-", stdin=SETTINGS)
    before = said("get", "configmap", "settings", "-o", "json", "--show-managed-fields")
    told = said("apply", "-f", "-", "--dry-run=server", stdin=GREEN)
    assert told == "configmap/settings configured (server dry run)\n"
    assert said("get", "configmap", "settings", "-o", "json", "--show-managed-fields") == before
    here("create", "-f", "-", "--dry-run=server", stdin=POD)
    assert "NotFound" in here("get", "pod", "lone", check=False).stderr


def test_unknown_fields_are_refused_or_warned_of(here: Client) -> None:
    """16"""
    strict = here("create", "-f", "-", stdin=TYPO, check=False)
    assert strict.returncode == 1
    assert 'unknown field "spec.containers[0].imagee"' in strict.stderr
    warned = here("create", "-f", "-", "--validate=warn", stdin=TYPO)
    assert 'Warning: unknown field "spec.containers[0].imagee"' in warned.stderr
    ignored = here("replace", "-f", "-", "--validate=ignore", "--force", stdin=TYPO)
    assert "unknown field" not in ignored.stderr


def test_patches_of_each_type(here: Client, said: Text) -> None:
    """17"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    replace = '[{"op":"replace","path":"/spec/replicas","value":1}]'
    here("patch", "deployment", "web", "--type=json", "-p", replace)
    here(
        "patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"team":null}}}'
    )
    drop = {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}
    strategic = json.dumps({"spec": {"template": drop}})
    here("patch", "deployment", "web", "--type=strategic", "-p", strategic)
    after = json.loads(said("get", "deployment", "web", "-o", "json"))
    assert after["spec"]["replicas"] == 1
    assert "labels" not in after["metadata"] or "team" not in after["metadata"]["labels"]
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["web"]
    bad = '[{"op":"test","path":"/spec/replicas","value":7}]'
    refused = here("patch", "deployment", "web", "--type=json", "-p", bad, check=False)
    assert refused.returncode == 1 and "the server rejected our request" in refused.stderr


def test_edit_by_a_script(here: Client, said: Text, tmp_path: Path) -> None:
    """18"""
    here("create", "-f", "-", stdin=SETTINGS)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/colour: blue/colour: red/' \"$1\"\n")
    editor.chmod(0o755)
    edited = here("edit", "configmap", "settings", EDITOR=str(editor))
    assert edited.stdout == "configmap/settings edited\n"
    assert said("get", "configmap", "settings", "-o", "jsonpath={.data.colour}") == "red"
    again = here("edit", "configmap", "settings", EDITOR="true")
    assert "Edit cancelled, no changes made" in again.stdout + again.stderr


def test_label_annotate(here: Client, said: Text) -> None:
    """19, of an object"""
    here("create", "-f", "-", stdin=SETTINGS)
    assert said("label", "configmap", "settings", "a=1") == "configmap/settings labeled\n"
    taken = here("label", "configmap", "settings", "a=2", check=False)
    assert "already has a value (1)" in taken.stderr
    here("label", "configmap", "settings", "a=2", "--overwrite")
    here("annotate", "configmap", "settings", "note=x y")
    both = "jsonpath={.metadata.labels.a} {.metadata.annotations.note}"
    assert said("get", "configmap", "settings", "-o", both) == "2 x y"
    here("label", "configmap", "settings", "a-")
    assert said("get", "configmap", "settings", "-o", "jsonpath={.metadata.labels.a}") == ""


def test_cordon_and_taint(kubectl: Client) -> None:
    """19, of a node"""
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").stdout
    where = ("get", "node", node, "-o")
    kubectl("cordon", node)
    assert "SchedulingDisabled" in kubectl("get", "node", node).stdout
    kubectl("uncordon", node)
    assert kubectl(*where, "jsonpath={.spec.unschedulable}").stdout == ""
    kubectl("taint", "node", node, "k=v:NoSchedule")
    assert kubectl(*where, "jsonpath={.spec.taints[?(@.key=='k')].value}").stdout == "v"
    kubectl("taint", "node", node, "k=v:NoSchedule-")
    assert kubectl(*where, "jsonpath={.spec.taints[?(@.key=='k')].value}").stdout == ""


def test_scale_and_a_wrong_guess_at_the_present_size(here: Client, said: Text) -> None:
    """20"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    wrong = here("scale", "deployment/web", "--replicas=3", "--current-replicas=9", check=False)
    assert wrong.returncode == 1
    assert "Expected replicas to be 9, was 2" in wrong.stderr
    told = said("scale", "deployment/web", "--replicas=3", "--current-replicas=2")
    assert told == "deployment.apps/web scaled\n"
    here("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", PATIENT)


GENERATED = (
    ("deployment", "d", "--image=nginx"),
    ("job", "j", "--image=busybox", "--", "date"),
    ("cronjob", "cj", "--image=busybox", "--schedule=*/5 * * * *", "--", "date"),
    ("configmap", "cm", "--from-literal=a=b"),
    ("secret", "generic", "s", "--from-literal=a=b"),
    ("serviceaccount", "sa"),
    ("quota", "q", "--hard=pods=1000"),
    ("role", "r", "--verb=get", "--resource=pods"),
    ("rolebinding", "rb", "--role=r", "--user=u"),
    ("service", "clusterip", "svc", "--tcp=80:80"),
    ("ingress", "ing", "--rule=a.test/*=svc:80"),
    ("poddisruptionbudget", "pdb", "--selector=a=b", "--min-available=1"),
)


UNATTENDED = ("job", "cronjob", "role", "rolebinding", "ingress", "poddisruptionbudget")
"""Those that nothing in the cluster acts on, which kubectl is told."""


def test_create_of_each_kind_sends_protobuf(here: Client, said: Text) -> None:
    """23"""
    for words in GENERATED:
        kind = words[0]
        created = here("create", *words)
        assert created.stdout.rstrip().endswith(" created"), words
        unattended = kind in UNATTENDED
        assert (": hollowfleet " in created.stderr) is unattended, created.stderr
        name = words[2] if kind in ("secret", "service") else words[1]
        assert said("get", kind, name, "-o", "name").rstrip().endswith(f"/{name}")
    assert said("get", "configmap", "cm", "-o", "jsonpath={.data.a}") == "b"
    assert said("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    assert said("get", "job", "j", "-o", "jsonpath={..command[0]}") == "date"
    assert "Disallowed" not in said("get", "ingress", "ing")


def test_create_of_cluster_wide_kinds(kubectl: Client) -> None:
    """23"""
    made = (
        ("clusterrole", "made-cr", "--verb=get", "--resource=pods"),
        ("clusterrolebinding", "made-crb", "--clusterrole=made-cr", "--user=u"),
        ("priorityclass", "made-pc", "--value=7"),
    )
    for words in made:
        assert kubectl("create", *words).stdout.endswith(" created\n")
        assert kubectl("delete", words[0], words[1]).stdout.endswith(" deleted\n")


def test_autoscale_is_read_as_version_two(here: Client, said: Text) -> None:
    """24"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    here("autoscale", "deployment", "web", "--max=5", "--cpu=50%")
    read = json.loads(said("get", "horizontalpodautoscalers.v2.autoscaling", "web", "-o", "json"))
    [metric] = read["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    assert read["spec"]["maxReplicas"] == 5
    old = json.loads(said("get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", "json"))
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50


def test_expose_and_a_job_from_a_cronjob(here: Client, said: Text) -> None:
    """25, 26"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    here("expose", "deployment", "web", "--port=80")
    service = json.loads(said("get", "service", "web", "-o", "json"))
    assert service["spec"]["selector"] == {"app": "web"}
    assert service["spec"]["clusterIP"].startswith("10.")
    here("create", "cronjob", "cj", "--image=busybox", "--schedule=*/5 * * * *", "--", "date")
    here("create", "job", "now", "--from=cronjob/cj")
    owner = said("get", "job", "now", "-o", "jsonpath={.metadata.ownerReferences[0].kind}")
    assert owner == "CronJob"
