"""``hollowfleet sim``: whole clusters on a virtual clock, with faults drawn from a seed, or under
the load of a campaign."""

import sys
from pathlib import Path

import click

from actors.clock import settle_gc
from loadtest.cli.codes import ERROR
from loadtest.cli.simulate import simulate
from sim.options import options_of
from sim.overrides import OptionError, changed
from sim.run import Outcome, run_options
from sim.world import Makers

SEED_MAX = (1 << 64) - 1


def _range(context: click.Context, parameter: click.Parameter, text: str | None) -> range | None:
    """``N..M``, both ends included."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    digits = all(end.isdecimal() and len(end) <= len(str(SEED_MAX)) for end in (first, last))
    if not dots or not digits or not int(first) <= int(last) <= SEED_MAX:
        raise click.BadParameter(f"{text!r} is not a range of seeds; write it as 1..200")
    return range(int(first), int(last) + 1)


@click.command()
@click.argument("campaign", required=False, type=click.Path(path_type=Path))
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    help="Run this one seed; with CAMPAIGN instead of the file's.",
)
@click.option("--seeds", metavar="N..M", callback=_range, help="Run these seeds, one line each.")
@click.option(
    "--trace",
    metavar="KEY",
    default="",
    help="Write the story of what KEY is part of: an object (pods/default/bare-1) or a program "
    "(store-0). With --seed only.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of CAMPAIGN, as in `hollowfleet run`; without one an option of the seed's "
    "run: nodes=12, store_shards=4, faults=reset,partition and so on. May be repeated.",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    help="What CAMPAIGN's programs take for a step, as `hollowfleet calibrate` writes it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Where the directory of a campaign's run is made.",
)
def sim(
    campaign: Path | None,
    seed: int | None,
    seeds: range | None,
    trace: str,
    overrides: tuple[str, ...],
    **where: Path | None,
) -> None:
    """Run the control plane in virtual time.

    Without CAMPAIGN, to check that it keeps its promises. The seed decides everything: the size and
    shape of the cluster, its users, delays, and what fails when. A seed that breaks a promise can
    be run again, with --trace, and breaks it again.

    With CAMPAIGN, a file as for `hollowfleet run`, to see what the cluster does under its load,
    and to write the same report. Of the faults there is `slow`.
    """
    if campaign is not None:
        if seeds is not None or trace:
            raise click.UsageError("a campaign takes --seed, --set, --profile and --out only")
        out = where["out"]
        assert out is not None
        simulate(campaign, overrides, seed, out, where["profile"])
    if where["profile"] is not None:
        raise click.UsageError("--profile goes with CAMPAIGN")
    _run_seeds(seed, seeds, trace, overrides)


def _run_seeds(
    seed: int | None, seeds: range | None, trace: str, overrides: tuple[str, ...]
) -> None:
    if (seed is None) == (seeds is None):
        raise click.UsageError("give either --seed N or --seeds N..M")
    if trace and seeds is not None:
        raise click.UsageError("--trace goes with --seed: a story is one of one run")
    numbers = seeds if seeds is not None else range(seed or 0, (seed or 0) + 1)
    try:
        for number in numbers if overrides else ():
            changed(options_of(number), overrides)
    except OptionError as error:
        raise click.BadParameter(str(error), param_hint="--set") from None
    settle_gc()
    failed = 0
    for number in numbers:
        options = changed(options_of(number), overrides)
        outcome = run_options(options, trace, Makers())
        failed += bool(outcome.failure)
        if seeds is None:
            _print_whole(outcome)
        else:
            _print_line(outcome)
    if seeds is not None:
        click.echo(f"{len(seeds) - failed} of {len(seeds)} seeds kept every promise")
    sys.exit(ERROR if failed else 0)


def _print_line(outcome: Outcome) -> None:
    verdict = f"FAIL {outcome.failure}" if outcome.failure else "ok"
    click.echo(
        f"seed {outcome.options.seed}: {outcome.steps:,} steps, {outcome.virtual_s:.0f} s in "
        f"{outcome.wall_s:.2f} s, digest {outcome.digest} {verdict}"
    )


def _print_whole(outcome: Outcome) -> None:
    for line in outcome.story:
        click.echo(line)
    options = outcome.options
    click.echo(
        f"seed {options.seed}: {options.nodes} nodes, {options.store_shards} store shards by "
        f"{options.shard_by}, {options.durability}, {options.api_servers} API servers, "
        f"{options.partitions} scoring partitions, {options.controllers} controllers"
    )
    click.echo("faults   " + (_counted(outcome.faults) or "none"))
    click.echo("checked  " + _counted(outcome.counts))
    rate = (outcome.steps + outcome.messages) / max(outcome.wall_s, 1e-9)
    click.echo(
        f"ran      {outcome.virtual_s:.0f} virtual seconds in {outcome.wall_s:.2f} s: "
        f"{outcome.steps:,} steps and {outcome.messages:,} messages, {rate:,.0f} a second"
    )
    if outcome.failure:
        click.echo(f"FAIL     {outcome.failure}")
    click.echo(f"digest {outcome.digest}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())
