"""Reads the YAML file of a campaign. Its keys are read by ``api.sections``."""

from pathlib import Path

from api.sections import SECOND_NS, Section, nearest, parse_duration, parse_rate, shown
from api.sections import ConfigurationError as CampaignError
from api.strict_yaml import YamlError, read_yaml

__all__ = [
    "SECOND_NS", "CampaignError", "Section", "load_yaml", "nearest", "parse_duration", "parse_rate",
    "shown",
]  # fmt: skip


def load_yaml(path: Path) -> dict[str, object]:
    """The single mapping of a YAML file. Errors: CampaignError naming the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CampaignError(f"{path}: no such file") from None
    except OSError as error:
        raise CampaignError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CampaignError(f"{path}: cannot be read: {error}") from None
    try:
        doc = read_yaml(text)
    except YamlError as error:
        raise CampaignError(f"{path}: {error}") from None
    if not isinstance(doc, dict):
        raise CampaignError(f"{path}: must be a YAML mapping with apiVersion, kind and spec")
    return doc
