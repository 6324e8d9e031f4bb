"""What a rule asks of the step `conv_study`, as JSON for its params.

The rules import this, the step does not: nothing slow is imported here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scripts.lib.convolutions.checked import KIND, settings_at

if TYPE_CHECKING:
    from scripts.lib.study import Study


def experiments_of(study: Study) -> list[str]:
    """Return the chosen experiments that compare convolutions."""
    return [n for n, e in study.experiments.items() if e["kind"] == KIND]


def files_of(experiment: str) -> list[str]:
    """Return the tables and figures of one of them."""
    return [
        f"results/tables/{experiment}.csv",
        f"results/tables/{experiment}_fits.csv",
        f"results/figures/{experiment}.png",
    ]


def asked(study: Study, experiment: str) -> str:
    """Return what is to be measured at the scale, as JSON."""
    config = study.experiments[experiment]
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


def drawn(study: Study, experiment: str) -> list[str]:
    """Return the series that the figure shows."""
    return settings_at(study.experiments[experiment], study.scale)["drawn"]
