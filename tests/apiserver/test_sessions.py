"""Commands in hollow containers, and their logs: channels, ends, refusals."""

import orjson
import pytest

from api.core import JsonObject
from apiserver.messages import MessagesArrived, StreamsClosed, Upgrade
from apiserver.sessions import IDLE_NS
from tests.apiserver.apiserver_rig import Rig, Session

PODS = "/api/v1/namespaces/x/pods"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
RUNNING: JsonObject = {"running": {"startedAt": "2026-09-01T00:00:00Z"}}
ENDED: JsonObject = {
    "terminated": {
        "exitCode": 3,
        "startedAt": "2026-09-01T00:00:00Z",
        "finishedAt": "2026-09-01T00:01:00Z",
    }
}


def status(state: JsonObject, name: str = "c") -> JsonObject:
    one = {"name": name, "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    return {"status": {"containerStatuses": [{**one, "state": state}]}}


def patch(rig: Rig, body: JsonObject) -> None:
    merge = "application/merge-patch+json"
    assert rig.call("PATCH", f"{PODS}/p/status", body, content_type=merge)[0] == 200


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    container = {
        "name": "c",
        "image": "i",
        "env": [{"name": "COLOUR", "value": "blue"}, {"name": "NODE", "valueFrom": None}],
    }
    container["env"][1] = {  # type: ignore[index]
        "name": "NODE",
        "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}},
    }
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container], "nodeName": "n"}}
    assert made.call("POST", PODS, pod)[0] == 201
    patch(made, status(RUNNING))
    return made


def begin(rig: Rig, *command: str, options: str = "stdout=1&stderr=1", protocol: str = V5) -> int:
    words = "&".join(f"command={word}" for word in command)
    upgrade = Upgrade("websocket", ("other", protocol))
    return rig.start("GET", f"{PODS}/p/exec?{words}&{options}", upgrade=upgrade)


def session(rig: Rig, *command: str, **more: str) -> Session:
    return rig.sessions[begin(rig, *command, **more)]


def code(one: Session) -> int:
    """The exit code, of a session that has ended."""
    assert one.ended == ""
    assert one.messages[-1][0] == 3
    last = orjson.loads(one.messages[-1][1:])
    if last["status"] == "Success":
        return 0
    assert last["reason"] == "NonZeroExitCode"
    [cause] = last["details"]["causes"]
    assert cause["reason"] == "ExitCode"
    return int(cause["message"])


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr"),
    [
        (("true",), 0, b"", b""),
        (("/bin/false",), 1, b"", b""),
        (("echo", "a", "b"), 0, b"a b\n", b""),
        (("/usr/bin/echo", "-n", "a"), 0, b"a", b""),
        (("hostname",), 0, b"p\n", b""),
        (("pwd",), 0, b"/\n", b""),
        (("cat", "/etc/passwd"), 1, b"", b"cat: /etc/passwd: No such file or directory\n"),
        (("sh", "-c", "exit+3"), 3, b"", b""),
        (("sh", "-c", "echo+a%3B+false%3B+exit"), 1, b"a\n", b""),
        (("sh", "-c", "echo+'a+b'%0Aecho+c"), 0, b"a b\nc\n", b""),
        (("sh", "-c", "ls"), 127, b"", b"sh: ls: not found\n"),
        (("sh", "-c", "exit+300"), 44, b"", b""),
    ],
)
def test_a_few_commands_run(
    rig: Rig, command: tuple[str, ...], exit_code: int, stdout: bytes, stderr: bytes
) -> None:
    done = session(rig, *command)
    assert (done.protocol, done.of(1), done.of(2)) == (V5, stdout, stderr)
    assert code(done) == exit_code


@pytest.mark.parametrize("script", ["echo+a|cat", "echo+$HOME", "a%26%26b", "echo+'", "echo+>x"])
def test_what_a_hollow_shell_cannot_is_an_error_and_no_silence(rig: Rig, script: str) -> None:
    done = session(rig, "sh", "-c", script)
    assert code(done) == 2
    assert done.of(2).startswith(b"sh: ") and not done.of(1)


def test_the_environment_is_that_of_the_specification(rig: Rig) -> None:
    lines = session(rig, "env").of(1).decode().splitlines()
    assert {"COLOUR=blue", "HOSTNAME=p"} <= set(lines)
    assert not any(line.startswith("NODE=") for line in lines)


def test_a_program_that_is_not_there_is_told_as_a_failure_to_start(rig: Rig) -> None:
    done = session(rig, "ls", "/")
    assert done.ended == ""
    [message] = done.messages
    last = orjson.loads(message[1:])
    assert (message[0], last["reason"], last["code"]) == (3, "InternalError", 500)
    assert 'exec: "ls": executable file not found in $PATH' in last["message"]


def test_input_is_repeated_until_it_ends(rig: Rig) -> None:
    stream = begin(rig, "cat", options="stdin=true&stdout=true")
    open_ = rig.sessions[stream]
    rig.step([MessagesArrived(stream, [b"\0one ", b"\0two", b"\4{}", b""])])
    assert open_.of(1) == b"one two" and open_.ended is None
    rig.step([MessagesArrived(stream, [b"\xff\0"])])
    assert code(open_) == 0
    rig.step([MessagesArrived(stream, [b"\0late"])])
    assert open_.of(1) == b"one two"


def test_the_older_protocol_knows_no_end_of_input(rig: Rig) -> None:
    stream = begin(rig, "cat", options="stdin=1&stdout=1", protocol=V4)
    rig.step([MessagesArrived(stream, [b"\0x", b"\xff\0"])])
    assert rig.sessions[stream].of(1) == b"x" and rig.sessions[stream].ended is None
    rig.step([StreamsClosed([stream])])
    assert rig.core.gauges()["sessions"] == 0


def test_only_the_streams_that_were_asked_for_are_sent(rig: Rig) -> None:
    done = session(rig, "cat", "nothing", options="stdout=1")
    assert code(done) == 1 and not done.of(2)
    assert code(session(rig, "cat", options="stdout=1")) == 0


@pytest.mark.parametrize("how", ["deleted", "ended"])
def test_a_command_ends_with_its_container(rig: Rig, how: str) -> None:
    stream = begin(rig, "cat", options="stdin=1&stdout=1")
    if how == "deleted":
        rig.call("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    else:
        patch(rig, status(ENDED))
    assert code(rig.sessions[stream]) == 137


def test_a_session_is_not_for_ever(rig: Rig) -> None:
    stream = begin(rig, "cat", options="stdin=1&stdout=1")
    rig.run(IDLE_NS / 1e9 - 1)
    assert rig.sessions[stream].ended is None
    rig.run(1)
    assert rig.sessions[stream].ended == ""


def test_what_cannot_be_run_is_refused_before_the_upgrade(rig: Rig) -> None:
    ask = f"{PODS}/p/exec?command=true&stdout=1"
    websocket = Upgrade("websocket", (V5,))
    for path, upgrade, expected, words in (
        (ask, None, 400, "Upgrade request required"),
        (ask, Upgrade("spdy/3.1"), 501, "pods/exec over spdy/3.1"),
        (ask, Upgrade("websocket", ("v1.channel.k8s.io",)), 400, "s: [v1.channel.k8s.io]"),
        (f"{PODS}/p/exec?stdout=1", websocket, 400, "you must specify a command"),
        (f"{PODS}/p/exec?command=true", websocket, 400, "at least 1 of stdin, stdout, stderr"),
        (f"{ask}&container=z", websocket, 400, "container z is not valid for pod p"),
        (ask.replace("/p/", "/none/"), websocket, 404, 'pods "none" not found'),
        (ask.replace("/exec", "/attach"), websocket, 501, "pods/attach is not implemented"),
        (f"{PODS}/p/portforward", websocket, 501, "pods/portforward is not implemented"),
    ):
        answered, body = rig.call("GET", path, upgrade=upgrade)
        assert (answered, words in body["message"]) == (expected, True), body
    patch(rig, status(ENDED))
    answered, body = rig.call("GET", ask, upgrade=websocket)
    assert (answered, body["message"]) == (400, 'container "c" in pod "p" is not running')


def log(rig: Rig, options: str = "") -> str:
    answer = rig.ask("GET", f"{PODS}/p/log?{options}")
    assert (answer.code, answer.content_type) == (200, "text/plain; charset=utf-8"), answer
    return answer.body.decode()


def test_a_log_tells_that_the_container_is_hollow(rig: Rig) -> None:
    first, second = log(rig).splitlines()
    assert first == "hollow: container c of pod x/p began on node n"
    assert second == "hollow: image i was not pulled, no process runs"
    assert log(rig, "tailLines=1") == f"{second}\n"
    assert log(rig, "tailLines=0") == "" == log(rig, "sinceTime=2026-09-01T00:00:01Z")
    assert log(rig, "limitBytes=7") == "hollow:"
    stamped = log(rig, "timestamps=true&tailLines=1")
    assert stamped == f"2026-09-01T00:00:00.000000000Z {second}\n"


@pytest.mark.parametrize(
    ("options", "expected", "words"),
    [
        ("tailLines=-1", 422, 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1'),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0"),
        ("sinceSeconds=1&sinceTime=2026-09-01T00:00:00Z", 422, "at most one of"),
        ("stream=Nowhere", 422, 'stream: Unsupported value: "Nowhere"'),
        ("tailLines=x", 400, "invalid syntax"),
        ("previous=1", 400, 'previous terminated container "c" in pod "p" not found'),
    ],
)
def test_log_options_are_checked(rig: Rig, options: str, expected: int, words: str) -> None:
    answered, body = rig.call("GET", f"{PODS}/p/log?{options}")
    assert (answered, words in body["message"]) == (expected, True), body


def test_a_followed_log_ends_with_its_container(rig: Rig) -> None:
    follow = rig.watch(f"{PODS}/p/log?follow=true&timestamps=1&tailLines=1")
    assert follow.content_type == "text/plain; charset=utf-8"
    assert follow.data.count(b"\n") == 1 and follow.ended is None
    patch(rig, {"metadata": {"labels": {"a": "b"}}})
    assert follow.ended is None
    patch(rig, status(ENDED))
    assert follow.ended == ""
    last = b"2026-09-01T00:01:00.000000000Z hollow: the container ended with code 3\n"
    assert follow.data.endswith(last)
    assert log(rig, "follow=1").endswith("the container ended with code 3\n")


def test_the_log_of_a_container_that_has_not_begun_is_refused(rig: Rig) -> None:
    patch(rig, status({"waiting": {"reason": "ContainerCreating"}}))
    text = 'container "c" in pod "p" is waiting to start: ContainerCreating'
    assert rig.call("GET", f"{PODS}/p/log")[1]["message"] == text


def test_a_log_needs_a_container_with_a_node_that_has_begun(rig: Rig) -> None:
    two = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    for name, spec in (
        ("two", {"containers": two, "nodeName": "n"}),
        ("unbound", {"containers": two[:1]}),
    ):
        assert rig.call("POST", PODS, {"metadata": {"name": name}, "spec": spec})[0] == 201
    for path, expected, words in (
        ("two/log", 400, "must be specified for pod two, choose one of: [a b]"),
        ("two/log?container=z", 400, "container z is not valid for pod two"),
        ("two/log?container=a", 400, 'container "a" in pod "two" is not available'),
        ("none/log", 404, 'pods "none" not found'),
    ):
        answered, body = rig.call("GET", f"{PODS}/{path}")
        assert (answered, words in body["message"]) == (expected, True), body
    assert rig.call("GET", f"{PODS}/unbound/log") == (204, None)
    code, body = rig.call("GET", f"{PODS}/unbound/exec?command=env")
    assert (code, body["message"]) == (400, "pod unbound does not have a host assigned")
