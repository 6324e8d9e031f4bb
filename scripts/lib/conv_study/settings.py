"""What a file of the kind `convolutions` says, and whether it fits together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import nearest

_NUMBERS = ("batch", "maps_in", "maps_out", "size")


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


def settings_problems(where: str, config: Mapping[str, Any]) -> Iterator[str]:
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
