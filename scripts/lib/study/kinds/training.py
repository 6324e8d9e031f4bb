"""The kind `training`: variants, each learned under every protocol."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scripts.lib.io import inheritance
from scripts.lib.study import figures_plan
from scripts.lib.study.kinds import diagnostics
from scripts.lib.study.kinds.kind import Kind, unknown
from scripts.lib.study.kinds.learning import learning_problems

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study


def complete(config: dict[str, Any]) -> None:
    """Let each variant say its augmentation, and those of the grid stand beside."""
    config["variants"] = {
        name: {"augmentation": config.get("augmentation"), **variant}
        for name, variant in inheritance.variants(config).items()
    }


def results(study: Study, name: str) -> list[str]:
    """Return tables and figures of an experiment, and of what looks into it."""
    return [
        f"results/tables/{name}.csv",
        *figures_plan.files_of(study, name),
        *diagnostics.results(study, name),
    ]


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield what is wrong with an experiment and its variants."""
    config, where = configs.experiments[name], f"config/experiments/{name}.yaml"
    yield from learning_problems(name, configs)
    yield from figures_plan.problems(where, config)
    for scale in inheritance.SCALES:
        run = config["scales"][scale].get("protocols", ())
        yield from unknown(run, config["protocols"], where, f"scales.{scale}.protocols")
        for pattern in config["scales"][scale].get("variants", ()):
            if not fnmatch.filter(config["variants"], pattern):
                yield (
                    f"{where}: scales.{scale}.variants: {pattern!r} fits none of "
                    f"{', '.join(config['variants'])}"
                )


KIND = Kind(problems, results, complete)
