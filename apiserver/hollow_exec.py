"""What a command does inside a hollow container: a few words of a shell, and nothing real.

There is no file system, no process and no network. ``echo``, ``true``, ``false``, ``cat`` of
standard input, ``env``, ``hostname``, ``pwd``, ``exit`` in a script, and ``sh -c`` with such words
joined by ``;``. Everything else is a program that is not there, and says so.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from api.core import JsonObject

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What container runtimes set where an image says nothing."""
NOT_FOUND: Final = 127
CANNOT: Final = 2
_SHELLS: Final = ("sh", "/bin/sh", "bash", "/bin/bash")
_SYNTAX: Final = frozenset("|&<>()`$*?{}[]!#")
"""Letters of a script that mean something to a real shell and are not understood here."""


class Outcome(NamedTuple):
    """What a command came to. ``code`` None: it repeats standard input until that ends, then
    it is 0."""

    code: int | None
    stdout: bytes = b""
    stderr: bytes = b""


class World(NamedTuple):
    """What a command can see."""

    hostname: str
    environment: Mapping[str, str]


def world_of(pod: JsonObject, container: JsonObject) -> World:
    """Literal values of the container's ``env``; what refers to something else is left out."""
    spec = pod["spec"]
    hostname = str(spec.get("hostname") or pod["metadata"]["name"])
    given = {
        str(one["name"]): str(one.get("value") or "")
        for one in container.get("env") or ()
        if not one.get("valueFrom")
    }
    return World(hostname, {"PATH": PATH, "HOSTNAME": hostname, **given, "HOME": "/root"})


def run(command: Sequence[str], world: World) -> Outcome | None:
    """None: there is no such program."""
    program, arguments = command[0], command[1:]
    if program in _SHELLS:
        return _shell(program, arguments, world)
    known = _PROGRAMS.get(program.removeprefix("/usr").removeprefix("/bin/"))
    return None if known is None else known(arguments, world)


def _shell(program: str, arguments: Sequence[str], world: World) -> Outcome:
    if len(arguments) < 2 or arguments[0] != "-c":
        return _cannot(program, "a hollow container has no interactive shell: use -c")
    script = arguments[1]
    out = err = b""
    code = 0
    try:
        lines = _commands(script)
    except ValueError as error:
        return _cannot(program, f"syntax error: {error}")
    for number, words in enumerate(lines):
        if words[0] == "exit":
            return Outcome(_exit_code(words, code), out, err)
        outcome = run(words, world)
        if outcome is None:
            outcome = Outcome(NOT_FOUND, b"", f"{program}: {words[0]}: not found\n".encode())
        out, err = out + outcome.stdout, err + outcome.stderr
        if outcome.code is None:
            if number + 1 < len(lines):
                return _cannot(program, "a hollow container reads its input last")
            return Outcome(None, out, err)
        code = outcome.code
    return Outcome(code, out, err)


def _commands(script: str) -> list[list[str]]:
    """The simple commands of a script. ValueError for what is more than that."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars=";\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word.strip(";\n") == "":
            commands.append([])
        else:
            commands[-1].append(word)
    wrong = sorted(_SYNTAX.intersection(script))
    if wrong:
        raise ValueError(f"{wrong[0]!r} means nothing to a hollow container")
    return [words for words in commands if words]


def _exit_code(words: Sequence[str], last: int) -> int:
    if len(words) == 1:
        return last
    return int(words[1]) & 255 if words[1].isascii() and words[1].isdigit() else CANNOT


def _cannot(program: str, why: str) -> Outcome:
    return Outcome(CANNOT, b"", f"{program}: {why}\n".encode())


def _echo(arguments: Sequence[str], world: World) -> Outcome:
    newline = not arguments or arguments[0] != "-n"
    words = arguments if newline else arguments[1:]
    return Outcome(0, (" ".join(words) + "\n" * newline).encode())


def _cat(arguments: Sequence[str], world: World) -> Outcome:
    missing = [name for name in arguments if name != "-"]
    if missing:
        told = "".join(f"cat: {name}: No such file or directory\n" for name in missing)
        return Outcome(1, b"", told.encode())
    return Outcome(None)


def _env(arguments: Sequence[str], world: World) -> Outcome:
    if arguments:
        return _cannot("env", "a hollow container takes no arguments here")
    return Outcome(0, "".join(f"{k}={v}\n" for k, v in world.environment.items()).encode())


def _hostname(arguments: Sequence[str], world: World) -> Outcome:
    return Outcome(0, f"{world.hostname}\n".encode())


_PROGRAMS: Mapping[str, Callable[[Sequence[str], World], Outcome]] = {
    "echo": _echo,
    "true": lambda arguments, world: Outcome(0),
    "false": lambda arguments, world: Outcome(1),
    "cat": _cat,
    "env": _env,
    "hostname": _hostname,
    "pwd": lambda arguments, world: Outcome(0, b"/\n"),
}
