"""The configuration of a scheduler with the third-party plugins that are installed.

A distribution offers a plugin by an entry point of the group ``hollowfleet.scheduler_plugins``: its
name is the plugin's, its object a ``scheduler.registry.Plugin``.
"""

import json
from importlib.metadata import entry_points

from api.sections import ConfigurationError
from scheduler.configuration import DEFAULT, Configuration, configuration_from
from scheduler.registry import BUILT_IN, Plugin

GROUP = "hollowfleet.scheduler_plugins"


def scheduler_configuration(text: str, source: str = "scheduler configuration") -> Configuration:
    """``text``: a KubeSchedulerConfiguration as JSON; empty: the default. ConfigurationError."""
    if not text:
        return DEFAULT
    return configuration_from(json.loads(text), source, installed_plugins())


def installed_plugins() -> dict[str, Plugin]:
    """By name. Errors: ConfigurationError that names the entry point."""
    found: dict[str, Plugin] = {}
    for point in entry_points(group=GROUP):
        where = f"entry point {GROUP}: {point.name} = {point.value}"
        try:
            plugin = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"{where}: cannot be loaded: {error}") from None
        if not isinstance(plugin, Plugin):
            raise ConfigurationError(f"{where}: must be a scheduler.registry.Plugin")
        if point.name in BUILT_IN or point.name in found:
            raise ConfigurationError(f"{where}: a plugin of this name exists already")
        found[point.name] = plugin
    return found
