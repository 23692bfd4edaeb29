"""The commands of hollowfleet, one module each, imported when it is asked for; every option is also
an environment variable.

Exit codes: 0 ok, 1 error, 2 usage (a campaign file that cannot be used is one), 3 an SLO failed,
4 the run is invalid, 5 worse than what it is compared with, 6 undecided, 7 a published limit was
not reproduced, 130 interrupted.
"""

import errno
import signal
import sys
from importlib import import_module, metadata

import click

from actors.imports import unbroken
from loadtest.cli.codes import INTERRUPTED

MODULES = {
    "calibrate": "calibrate",
    "compare": "compare",
    "culprit": "culprit",
    "down": "clusters",
    "etcd": "etcd",
    "explain": "explain",
    "limit": "limit",
    "report": "report",
    "reproduce": "reproduce",
    "run": "run",
    "scheduler": "scheduler",
    "sim": "sim",
    "sweep": "sweep",
    "up": "clusters",
}
"""Command to its module. All of them together take a second to import."""
EXIT_CODES = """
Exit codes: 0 ok, 1 error, 2 usage or campaign file, 3 an SLO failed, 4 the run is invalid,
5 worse than what it is compared with, 6 undecided, 7 a published limit was not reproduced,
130 interrupted.
"""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What any write may meet, also where the directory could be written to before."""


def _version() -> str:
    try:
        return metadata.version("hollowfleet")
    except metadata.PackageNotFoundError:
        return "0.1.0 (source tree)"


class Commands(click.Group):
    """Ctrl-C ends any command with a line and code 130, where click would have said 1; a full disk
    with a line and code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)
        with unbroken():
            found = getattr(import_module(f"loadtest.cli.{MODULES[cmd_name]}"), cmd_name)
        assert isinstance(found, click.Command), cmd_name
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            what = f" {error.filename}" if error.filename else ""
            raise click.ClickException(
                f"cannot write{what}: {error.strerror}; make room, or write elsewhere"
            ) from None


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "HOLLOWFLEET",
        "max_content_width": 100,
    },
    epilog=EXIT_CODES,
)
@click.version_option(_version(), prog_name="hollowfleet")
def cli() -> None:
    """A wind tunnel for cluster control planes.

    Boots a control plane that speaks the Kubernetes API and thousands of hollow nodes on this
    machine, loads it, and reports what it did.
    """


def main() -> None:
    """Entry point. SIGTERM is handled as ctrl-C: stop, keep the data, leave no process. So is
    SIGINT in the background of a script, where a shell lets processes ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cli()
