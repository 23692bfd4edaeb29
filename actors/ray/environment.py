"""What must stand in the environment before ``import ray``.

Ray reads these once, at import or when its daemons start, so the shell sets them here and nowhere
else. Source: the notes on each; tried with Ray 2.5x on Linux.
"""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXTRAS = "ray.dashboard.optional_deps"
SETTINGS = {
    # Without it every Ray server listens on all interfaces, whatever node address is given.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # Workers die with the raylet, the raylet with the driver: nothing stays behind a kill -9.
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def prepare_private_ray(directory: Path) -> None:
    """Settings of a local Ray that nobody else can reach. ``directory``: its own, short, 0700."""
    if "ray" in sys.modules:
        raise RuntimeError("ray was imported before its environment was set: a bug of the shell")
    token = directory / "auth_token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.update(SETTINGS)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    os.environ.pop("RAY_ADDRESS", None)


@contextmanager
def without_dashboard() -> Iterator[None]:
    """Start Ray as if only ``ray`` were installed, not ``ray[default]``, which jobs need.

    Even without a dashboard, the extra makes Ray's agents load all its modules, and ``ray.init``
    waits for them: 7 s in place of 2.6 s on two busy cores. An entry of None says "not installed".
    Source: ray/_private/utils.py, which asks by importing this module; the agents get --minimal.
    """
    before = sys.modules.get(EXTRAS)
    sys.modules[EXTRAS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[EXTRAS]
        if before is not None:
            sys.modules[EXTRAS] = before


@contextmanager
def own_sigterm() -> Iterator[None]:
    """Keep the caller's way to handle SIGTERM across ``ray.init``.

    Ray puts handlers of its own there, in Python one that calls sys.exit and in C++ one that prints
    a stack and aborts: either would end a run without its report. Raises KeyboardInterrupt when
    SIGTERM came meanwhile. Source: sigterm_handler in ray/_private/worker.py and node.py.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread handles signals, and Ray sets nothing here.
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def job_address() -> str:
    """Address of the Ray cluster that runs this process as a job; empty outside of a job.

    Ray gives the driver of ``ray job submit`` its runtime environment in the first variable, which
    ``ray.init`` hands on to the workers, and the cluster's address in the second.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ:
        return ""
    return os.environ["RAY_ADDRESS"]
