"""The gate that the daemon enforces: that of the config, with what this resolver stands on and what was released."""

from __future__ import annotations

from blockd.resolver.machine.observation import Observation
from blockd.resolver.own_networks import own_networks
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.ruleset.gate.release import read_releases
from blockd.settings import Settings


def enforced_gate(settings: Settings) -> Gate:
    """Return the gate of a config and its state folder.

    Raises ConfigError if one of its lists cannot be used, CommandError if the file of releases is damaged.
    """
    gate = gate_of(settings.gate, settings.feeds).standing_on(own_networks(settings, Observation.of(settings)))
    return gate.releasing(release.key for release in read_releases(settings.state_dir))
