"""The kind `convolutions`: ways to convolve, timed and weighed beside formulas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scripts.lib.conv_study.settings import settings_at, settings_problems
from scripts.lib.study.kinds.kind import Kind

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study


def results(study: Study, name: str) -> list[str]:
    """Return the tables and figures of an experiment."""
    return [
        f"results/tables/{name}.csv",
        f"results/tables/{name}_fits.csv",
        f"results/figures/{name}.png",
    ]


def asked(study: Study, name: str) -> str:
    """Return what is to be measured at the scale, as JSON."""
    config = study.experiments[name]
    settings = settings_at(config, study.scale)
    del settings["drawn"]  # another figure is no reason to measure again
    return json.dumps(
        {
            "title": config["title"],
            "source": config["source"],
            "scale": study.scale,
            "seed": study.seeds[0],
            **settings,
        },
        sort_keys=True,
    )


def drawn(study: Study, name: str) -> list[str]:
    """Return the series that the figure shows."""
    return settings_at(study.experiments[name], study.scale)["drawn"]


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield a line for each thing that does not fit."""
    where = f"config/experiments/{name}.yaml"
    yield from settings_problems(where, configs.experiments[name])


KIND = Kind(problems, results, apart=True)
