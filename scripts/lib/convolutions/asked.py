"""What a rule asks of the step `conv_study`, and what its file must say.

The rules import this and nothing slow.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import nearest

if TYPE_CHECKING:
    from scripts.lib.study import Study

KIND = "convolutions"
_NUMBERS = ("batch", "maps_in", "maps_out", "size")


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
    return json.dumps(
        {
            "title": config["title"],
            "source": config["source"],
            "scale": study.scale,
            "seed": study.seeds[0],
            **settings_at(config, study.scale),
        },
        sort_keys=True,
    )


def drawn(study: Study, experiment: str) -> list[str]:
    """Return the series that the figure shows."""
    return settings_at(study.experiments[experiment], study.scale)["drawn"]


def settings_at(config: Mapping[str, Any], scale: str) -> dict[str, Any]:
    """Return what a file measures at a scale."""
    return {**config["measured"], **config["scales"][scale].get("measured", {})}


def sizes(series: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Yield batch, maps_in, maps_out and size of every case of a series.

    What is a list grows; without maps_out there are as many maps as come in.
    """
    given = [_listed(series[key]) for key in _NUMBERS if key in series]
    for values in itertools.product(*given):
        if "maps_out" in series:
            yield dict(zip(_NUMBERS, values, strict=True))
        else:
            batch, maps, size = values
            yield {"batch": batch, "maps_in": maps, "maps_out": maps, "size": size}


def problems(where: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each thing that does not fit; where: the file's name."""
    for scale in config["scales"]:
        settings = settings_at(config, scale)
        most = settings["kernel"] - 2 * settings["padding"]
        for name, series in settings["series"].items():
            least = min(_listed(series["size"]))
            if least < most:
                yield (
                    f"{where}: measured.series.{name}.size (scale {scale}): expected "
                    f"at least {most}, where the kernel of {settings['kernel']} fits, "
                    f"received {least}"
                )
        for key in ("drawn", "memory_of"):
            for name in set(settings[key]) - set(settings["series"]):
                yield (
                    f"{where}: measured.{key} (scale {scale}): expected one of "
                    f"{', '.join(settings['series'])}, received "
                    f"{name!r}{nearest(name, settings['series'])}"
                )


def _listed(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]
