"""Plugins are code of others and may have bugs: what one raises costs the pod it was asked about,
not the scheduler. Who asks them asks through ``asked``, which alone catches everything, and this
module says whose fault it was.

kube-scheduler has no such thing: a plugin that panics ends it. The wording follows its errors of
plugins (framework/runtime/framework.go, v1.36: `running "NAME" filter plugin: ERROR`).
"""

from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import NamedTuple, ParamSpec, TypeVar

from scheduler.framework import Filter, Profile, Score

WORDS_MAX = 200
"""Characters of an error that are told."""
P = ParamSpec("P")
T = TypeVar("T")


class Raised(NamedTuple):
    """Instead of an answer."""

    error: Exception


def asked(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Raised:
    """The answer of plugins to a question about a pod, or what one of them raised."""
    try:
        return question(*args, **kwargs)
    except Exception as error:
        return Raised(error)


def raised(profile: Profile, error: Exception) -> str:
    """The sentence for the pod's condition."""
    words = str(error).replace("\n", " ")[:WORDS_MAX]
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    plugin = plugin_of_trace(profile, error.__traceback__)
    return f'running "{plugin}" plugin: {what}' if plugin else f"running plugins: {what}"


def plugin_of_trace(profile: Profile, trace: TracebackType | None) -> str:
    """The plugin one of whose functions is in the trace; empty when none is."""
    names: dict[CodeType, str] = {}
    plugins: tuple[Filter | Score, ...] = (*profile.filters, *profile.scores)
    for plugin in plugins:
        for part in plugin:
            # The shell may have put a clock around it.
            code = getattr(getattr(part, "__wrapped__", part), "__code__", None)
            if isinstance(code, CodeType):
                names.setdefault(code, plugin.name)
    return next((names[code] for code in _codes(trace) if code in names), "")


def _codes(trace: TracebackType | None) -> Iterator[CodeType]:
    while trace is not None:
        yield trace.tb_frame.f_code
        trace = trace.tb_next
