"""Reads the YAML file of a campaign strictly: a key given twice is an error, too. Its keys are read
by ``api.sections``."""

from pathlib import Path

import yaml

from api.sections import SECOND_NS, Section, nearest, parse_duration, parse_rate
from api.sections import ConfigurationError as CampaignError

__all__ = [
    "SECOND_NS", "CampaignError", "Section", "load_yaml", "nearest", "parse_duration", "parse_rate",
]  # fmt: skip


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[object, object]:
    out: dict[object, object] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in out:
            raise CampaignError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice")
        out[key] = loader.construct_object(value_node, deep=True)
    return out


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> dict[str, object]:
    """The single mapping of a YAML file. Errors: CampaignError naming the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CampaignError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"{path}: cannot be read: {error}") from None
    try:
        doc = yaml.load(text, _StrictLoader)
    except CampaignError as error:
        raise CampaignError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise CampaignError(f"{path}:{where} not YAML: {what}") from None
    if not isinstance(doc, dict):
        raise CampaignError(f"{path}: must be a YAML mapping with apiVersion, kind and spec")
    return doc
