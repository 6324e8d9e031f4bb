"""What a rule asks of the step `diagnostics`, as JSON for its params.

The rules import this, the step does not: nothing slow is imported here.
"""

from __future__ import annotations

import json
from typing import Any

from scripts.lib.diagnosis import checked
from scripts.lib.study import Study

NAME = "ignet_diagnostics"


def settings_of(study: Study, part: str) -> dict[str, Any]:
    """Return one part of the file at the scale."""
    config = study.configs.experiments[NAME]
    return {**config[part], **config["scales"][study.scale].get(part, {})}


def experiment_of(study: Study) -> str:
    """Return the id of the training experiment that is looked into."""
    return study.configs.experiments[NAME]["experiment"]


def variants_of(study: Study, part: str) -> list[str]:
    """Return a part's variants whose target the data set records.

    None where the experiment was not chosen. What the scale leaves out of the
    experiment is not left out here.
    """
    experiment = experiment_of(study)
    if experiment not in study.choices:
        return []
    settings = settings_of(study, part)
    patterns = settings.get("variants") or [settings["variant"]]
    recorded = set(study.datasets[study.dataset_of(experiment)]["factors"])
    return [
        name
        for name, variant in study.experiments[experiment]["variants"].items()
        if set(variant["target"]) <= recorded and checked.matches(name, patterns)
    ]


def protocols_of(study: Study, part: str) -> list[str]:
    """Return a part's protocols."""
    settings = settings_of(study, part)
    return settings.get("protocols") or [settings["protocol"]]


def asked(study: Study, part: str) -> str:
    """Return what one part is to do; all that its numbers depend on but the data."""
    config, experiment = study.configs.experiments[NAME], experiment_of(study)
    return json.dumps(
        {
            "title": config["title"],
            "source": config["source"],
            "experiment": experiment,
            "dataset": study.dataset_of(experiment),
            "scale": study.scale,
            "seeds": study.seeds,
            "settings": settings_of(study, part),
            "variants": [
                {
                    "id": variant,
                    "model": study.model_of(experiment, variant),
                    "tasks": {
                        protocol: json.loads(study.task(experiment, variant, protocol))
                        for protocol in protocols_of(study, part)
                    },
                }
                for variant in variants_of(study, part)
            ],
        },
        sort_keys=True,
    )


def models_digest(study: Study, part: str) -> str:
    """Return a hash of the models that a part builds."""
    experiment = experiment_of(study)
    names = sorted({study.model_of(experiment, v) for v in variants_of(study, part)})
    return study.digest(study.part("models", name) for name in names)
