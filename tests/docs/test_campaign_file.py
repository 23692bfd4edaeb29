"""docs/campaign-file.md: the parser is asked which keys there are, and what they are by default."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from api.strict_yaml import read_yaml
from loadtest.campaign import CampaignError, parse_campaign
from loadtest.experiments.metrics import METRICS

TEXT = (Path(__file__).parents[2] / "docs" / "campaign-file.md").read_text(encoding="utf-8")
WHOLE = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]
STRANGE = "qqqqqqqq"
"""Like no key, so that the error lists all that are known."""
PLACES: dict[str, tuple[str | int, ...]] = {
    "`metadata`": ("metadata",),
    "`spec`": ("spec",),
    "`spec.cluster`": ("spec", "cluster"),
    "`spec.generator`": ("spec", "generator"),
    "`spec.phases`": ("spec", "phases", 0),
    "`scenario: pods`": ("spec", "phases", 0, "load", 0),
    "`scenario: deployments`": ("spec", "phases", 1, "load", 1),
    "`scenario: readers`": ("spec", "phases", 1, "load", 2),
    "`scenario: watchers`": ("spec", "phases", 1, "load", 3),
    "`spec.slos`": ("spec", "slos"),
    "`spec.faults`": ("spec", "faults"),
}
"""Heading of a table -> where the whole example has such a mapping."""


def tables() -> dict[str, list[tuple[str, str]]]:
    """(key, default) of each, as written."""
    out = {}
    for section in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
        if heading in PLACES:
            out[heading] = [(key, default.strip("`")) for key, default in rows]
    return out


def example(heading: str) -> tuple[Any, Any]:
    """The whole campaign, and its mapping of that heading."""
    doc: Any = read_yaml(WHOLE)
    for name in ("generator", "namespaces"):
        doc["spec"].setdefault(name, {} if name == "generator" else 4)
    place = doc
    for step in PLACES[heading]:
        place = place[step]
    return doc, place


def test_the_whole_one_is_a_campaign() -> None:
    assert parse_campaign(read_yaml(WHOLE), "the example").name == "study"  # type: ignore[arg-type]


@pytest.mark.parametrize("heading", PLACES)
def test_each_key_that_the_parser_knows_is_told(heading: str) -> None:
    doc, place = example(heading)
    place[STRANGE] = 1
    with pytest.raises(CampaignError) as refusal:
        parse_campaign(doc, "the example")
    known = str(refusal.value).partition("; known: ")[2].split(", ")
    assert {key for key, _ in tables()[heading]} == set(known)


@pytest.mark.parametrize("heading", PLACES)
def test_defaults_are_what_is_left_out(heading: str) -> None:
    for key, default in tables()[heading]:
        doc, place = example(heading)
        if default == "required":
            del place[key]
            with pytest.raises(CampaignError, match=f"{key}: is required"):
                parse_campaign(doc, "the example")
        elif default != "–" and (key, heading) != ("load", "`spec.phases`"):
            place.pop(key, None)
            left_out = parse_campaign(copy.deepcopy(doc), "the example")
            place[key] = read_yaml(default)
            assert parse_campaign(doc, "the example") == left_out, key


def test_each_figure_is_told() -> None:
    told = set(re.findall(r"`([a-z_0-9]+)`", TEXT.partition("## Figures")[2]))
    assert {metric.name for metric in METRICS} <= told
