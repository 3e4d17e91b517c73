"""The clusters of a history: batch systems with their desks, and the troubles that they have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asyncjman.engines.registry import Factory
from tests.simulation.desk import Desk
from tests.simulation.dialect import factory
from tests.simulation.plan import Plan, Trouble
from tests.simulation.site import RUNNING, Run, Site
from tests.simulation.sites import SITES
from tests.simulation.world import World


class Clusters:
    """All clusters that a plan has."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self.clean_since: dict[str, float] = {}
        """When the latest poll began after which nothing was on a cluster that must not start."""
        self.sites = {name: Site(world, SITES[name]) for name in plan.sites}
        self.desks = {name: Desk(site) for name, site in self.sites.items()}
        for site in self.sites.values():
            site.failing, site.seconds, site.long = plan.failing, plan.seconds, plan.long
            self.desks[site.rules.name].refusing = plan.refusing

    @property
    def starts(self) -> int:
        return sum(site.starts for site in self.sites.values())

    def factories(self) -> dict[str, Factory]:
        """Return what the registry has in this world."""
        return {name: partial(factory, name) for name in self.sites}

    def runs(self) -> Sequence[Run]:
        """Return all that some queue has."""
        return [run for site in self.sites.values() for run in site.runs()]

    def in_flight(self) -> Sequence[Run]:
        """Return all whose commands run."""
        return [run for run in self.runs() if run.command_since is not None]

    def trouble(self, one: Trouble) -> bool:
        """Have something go wrong; False where there is nothing that it could happen to."""
        if one.site not in self.sites:
            return False
        site, desk = self.sites[one.site], self.desks[one.site]
        now, chance = self._world.now, self._world.chance
        self._world.tell(f"{one.site}: {one.what}, {one.seconds:g} s")
        if one.what in ("lost", "restarted"):
            some = [run for run in site.runs() if run.state == RUNNING and not run.is_dying]
            if not some:
                return False
            site.kill(chance.choice(some), one.what)
        elif one.what == "away":
            desk.away_until = now + one.seconds
        elif one.what == "full":
            desk.full_until = now + one.seconds
        elif one.what == "frozen":
            desk.freeze(one.seconds)
        elif one.what == "rough":
            desk.rough = 0.3
        elif one.what == "lag":
            site.lag = one.seconds
        elif one.what == "forgets":
            some = [run for run in site.runs() if chance.random() < 0.5]
            for run in some:
                run.is_hidden = True
                run.is_denied = run.is_denied or run.is_dying
            site.loop.call_later(one.seconds, _show, some)
        if one.what in ("rough", "lag"):
            site.loop.call_later(one.seconds, self._end, one)
        return True

    def _end(self, one: Trouble) -> None:
        if one.what == "rough":
            self.desks[one.site].rough = 0.0
        else:
            self.sites[one.site].lag = 0.0

    def calm(self) -> None:
        """End all troubles."""
        for desk in self.desks.values():
            desk.away_until = desk.full_until = desk.rough = desk.refusing = desk.site.lag = 0.0
            if desk.frozen_until > self._world.now:
                desk.freeze(0.0)
            desk.site.catch_up()
            _show(desk.site.runs())


def _show(runs: Sequence[Run]) -> None:
    for run in runs:
        run.is_hidden = False
