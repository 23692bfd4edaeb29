"""Options that several commands have, each said once."""

import os
from pathlib import Path

import click

OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As in run."
)
VIRTUAL = click.option("--virtual", is_flag=True, help="In virtual time, as `hollowfleet sim`.")
PROFILE = click.option(
    "--profile", type=click.Path(path_type=Path), help="Costs, as calibrate writes them."
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    show_default="the number of cores",
    help="Virtual runs at a time. Real ones run one by one.",
)
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Where runs and what is found are kept.",
)
