"""What `azc evolve --plan` tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from azc.cli.describing import duration
from azc.cli.output import Column, print_json, print_table

__all__ = ["tell_plan"]

_NODES = (1, 2, 4, 8, 16)
_TITLES = (
    *("nodes", "islands", "workers", "programs/s", "time", "memory of a node"),
    *("driver", "messages/s", "an exchange"),
)


def tell_plan(name: str, overrides: Sequence[str], as_json: bool) -> None:
    """Measures the search of `name`, and prints what it would take on several numbers of nodes, as
    it is and with an island for every core."""
    from azc.search.planning import measure, plan
    from azc.search.settings import Settings

    settings = Settings.from_toml(name, overrides)
    measured = measure(settings)
    told = dict.fromkeys(
        (nodes, islands)
        for nodes in _NODES
        for islands in (
            settings.search.islands,
            max(settings.search.islands, nodes * measured.cores),
        )
    )
    plans = [plan(settings, measured, nodes, islands) for nodes, islands in told]
    if as_json:
        print_json({"measured": asdict(measured), "plans": [asdict(one) for one in plans]})
        return
    rows = [
        (
            str(one.nodes),
            f"{one.islands:,}",
            f"{one.workers:,}",
            f"{one.rate:,.0f}",
            duration(one.seconds),
            f"{one.memory / 2**20:,.0f} MiB",
            f"{one.driver:.1%}",
            f"{one.messages:,.0f}",
            f"{one.exchange / 2**20:,.1f} MiB",
        )
        for one in plans
    ]
    print_table([Column(title, right=True) for title in _TITLES], rows)
    click.echo(
        f"\n{measured.rate:,.0f} programs per second and core, measured just now; time is for "
        f"{plans[0].programs:,} programs,\non nodes with {measured.cores} cores like these. "
        "Islands beyond the cores take turns; cores beyond the islands idle."
    )
