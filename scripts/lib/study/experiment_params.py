"""What steps must be told of experiments, as JSON in their rules' params.

All that decides about a step's result and nothing else: what stands here and changes
makes the step run again.
"""

from __future__ import annotations

from scripts.lib.study.study import Study, json_text


def workload(study: Study) -> str:
    """Return what is to be trained at the scale, as JSON: how much of what."""
    return json_text(
        [
            {
                "experiment": name,
                "variant": variant,
                "dataset": study.dataset_of(name),
                "copies": study.copies_of(settings["augmentation"]),
                "seeds": len(study.seeds),
                "recipe": study.recipe(name, variant),
                "options": settings.get("options", {}),
                **{k: settings[k] for k in ("model", "target", "task", "loss")},
                "protocols": [
                    {
                        "unit": study.protocols[p]["unit"],
                        "validation": study.protocols[p]["validation"],
                        "folds": study.folds_of(p),
                    }
                    for p in study.protocols_of(name)
                ],
            }
            for name in study.of_kind("training")
            for variant, settings in study.experiments[name]["variants"].items()
            if not study.why_not(name, variant)
        ]
    )


def experiment_json(study: Study, experiment: str, peer: str | None = None) -> str:
    """Return all that tables and figures must know of an experiment, as JSON.

    peer: the experiment in which Keras learns some of its variants.
    """
    compared = study.configs.experiments[peer] if peer else {}
    config = study.experiments[experiment]
    return json_text(
        {
            "experiment": experiment,
            "title": config["title"],
            "source": config["source"],
            "scale": study.scale,
            "seeds": study.seeds,
            "augmentation": config["augmentation"],
            "baselines": config.get("baselines", True),
            "dataset": study.dataset_of(experiment),
            "keras_peer": {k: compared[k] for k in ("compared", "protocols") if peer},
            "protocols": [
                {
                    "id": p,
                    "k": study.folds_of(p),
                    "scored_like": study.scored_like(p),
                    **study.protocols[p],
                }
                for p in study.protocols_of(experiment)
            ],
            "left_out": [
                p
                for p in config["protocols"]
                if p not in study.protocols_of(experiment)
            ],
            "variants": [
                {
                    **variant,
                    "id": name,
                    "why_not": study.why_not(experiment, name),
                    "left_out": study.left_out(experiment, name),
                    "recipe": study.recipe(experiment, name),
                }
                for name, variant in config["variants"].items()
            ],
        }
    )
