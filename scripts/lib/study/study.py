"""What is to be run: the checked configuration at one scale, with one data_dir.

The rules look everything up here; nothing is read twice, and nothing slow is imported.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.data import kinds as data_kinds
from scripts.lib.io import deviations
from scripts.lib.io.files import sha256_of
from scripts.lib.io.schema import read_yaml
from scripts.lib.study import datasets, kinds, places
from scripts.lib.study.config import ConfigError, Configs, load_configs
from scripts.lib.study.kinds.learning import merged_recipe

# What a training asks for if its experiment does not say: at `demo` 405 MB of IgNet and
# 1300 of the Keras-style network in at most 28 s of one core; at `paper` 19 core hours
# for all of the latter.
_JOB = {
    "threads": 1,
    "megabytes": 2500,
    "minutes": {"smoke": 5, "demo": 10, "short": 10, "paper": 240},
}


# What a study's file says, of experiments that are in none.
_NOUNS = {"sample": "image", "samples": "images", "group": "group", "groups": "groups"}


class Study:
    """All lookups of the rules. Make one with `load_study`."""

    def __init__(
        self,
        configs: Configs,
        base: Path,
        data_dir: Path | None = None,
        used: Collection[str] = (),
    ):
        self.configs, self.base, self.data_dir = configs, base, data_dir
        self.used = used
        settings = configs.settings
        self.scale: str = settings["scale"]
        self.seeds: list[int] = settings["seeds"]
        self.device: str = settings["device"]
        self.tune: bool = settings["tune"]
        self.gpus: int = settings["gpus_per_training"]
        self.share_gpu: bool = settings["share_gpu"]
        self.experiments = {n: configs.experiments[n] for n in settings["experiments"]}
        # Those that are learned, if only for another one's table.
        self.learned = {
            name: configs.experiments[name]
            for chosen, experiment in self.experiments.items()
            for name in (chosen, experiment.get("trained_as", chosen))
            if "variants" in configs.experiments[name]
        }
        self.datasets = configs.datasets
        self.augmentations = configs.augmentations
        self.protocols = configs.protocols
        self.choices = {
            name: datasets.choose(
                experiment["datasets"],
                configs.datasets,
                data_dir=data_dir,
                dataset=_asked(settings["dataset"], experiment, configs),
                download=settings["download"],
                used=used,
            )
            for name, experiment in self.learned.items()
        }
        self._check_data()
        if settings["download"]:
            datasets.check_download(self.choices.values(), configs.datasets)
        self.folders = {c.dataset: c.folder for c in self.choices.values()}
        self.generated = [name for name, folder in self.folders.items() if not folder]
        self.downloaded = {c.dataset for c in self.choices.values() if c.downloaded}
        self.local = [name for name, folder in self.folders.items() if folder]
        self.trained = [n for n in self.learned if self.runs_of(n)]

    def _check_data(self) -> None:
        """Refuse data that models or protocols are not made for.

        Raises: ConfigError with a line for each.
        """
        found = []
        for name in self.learned:
            dataset = self.dataset_of(name)
            config, where = self.datasets[dataset], f"config/datasets/{dataset}.yaml"
            shape = data_kinds.shape_of(config)
            for variant in self.learned[name]["variants"]:
                wanted = self._input_of(name, variant)
                if wanted != shape:
                    c, h, w = shape
                    found.append(
                        f"{where}: image: {c} × {h} × {w} (channels, height, width) do "
                        f"not fit config/models/{self.model_of(name, variant)}.yaml, "
                        f"whose input is {' × '.join(map(str, wanted))} (experiment "
                        f"{name}); change the one or the other"
                    )
            official = [p for p in self.protocols_of(name) if self.is_official(p)]
            if official and not data_kinds.has_parts(config):
                found.append(
                    f"{where}: it has no test part of its own, which the protocol "
                    f"{official[0]} of the experiment {name} keeps; name its parts, or "
                    "take another protocol"
                )
        if found:
            raise ConfigError("\n".join(dict.fromkeys(found)))

    def _input_of(self, experiment: str, variant: str) -> tuple[int, ...]:
        """Return the shape of one image that a variant's network takes."""
        spec = self.configs.models[self.model_of(experiment, variant)]
        return tuple(spec["input"])

    def check_folders(self) -> None:
        """Refuse data sets in data_dir without the files by which they are read.

        Raises: DatasetError, OSError.
        """
        for choice in set(self.choices.values()):
            if choice.folder and not choice.downloaded:
                config = self.datasets[choice.dataset]
                data_kinds.of(config).check_folder(config, choice.folder)

    @property
    def whole(self) -> list[str]:
        """The experiments that are made if none is named: but for those `apart`.

        All of them, if nothing else is chosen.
        """
        apart = self.configs.settings["apart"]
        rest = [
            name
            for name, experiment in self.experiments.items()
            if experiment.get("group", name) not in apart
        ]
        return rest or list(self.experiments)

    @property
    def remarks(self) -> dict[str, str]:
        """What a user must be told: which data were not the documents' own.

        By the data set.
        """
        ran: dict[datasets.Choice, list[str]] = {}
        for name, choice in self.choices.items():
            ran.setdefault(choice, []).append(self.shown_in(name))
        return {
            c.dataset: f"Note: {', '.join(dict.fromkeys(names))} ran on {c.dataset}, a "
            f"generated stand-in for {c.stands_in_for or 'real data'}; set data_dir"
            f"{self._or_download(c)} to use real data."
            for c, names in ran.items()
            if c.status == "stand-in"
        }

    def _or_download(self, choice: datasets.Choice) -> str:
        published = "archive" in self.datasets.get(choice.stands_in_for, {})
        return " or download: true" if published else ""

    def dataset_of(self, experiment: str) -> str:
        """Return the id of the data set that an experiment runs on."""
        return self.choices[experiment].dataset

    def stand_in_arguments(self, dataset: str) -> str:
        """Return scripts.fetch's option that says what a data set stands in for."""
        replaced = {
            c.stands_in_for for c in self.choices.values() if c.dataset == dataset
        } - {None}
        return f"--stands-in-for {sorted(replaced)[0]}" if replaced else ""

    def runs_of(self, experiment: str) -> list[tuple[str, str]]:
        """Return the (variant, protocol) pairs of an experiment that can be run.

        Left out is a variant that `why_not` has a reason for.
        """
        config = self.learned.get(experiment, {})
        if "trained_as" in config:
            return []
        return [
            (name, protocol)
            for name in config.get("variants", ())
            if not self.why_not(experiment, name)
            for protocol in self.protocols_of(experiment)
        ]

    def protocols_of(self, experiment: str) -> list[str]:
        """Return the protocols that an experiment is run under at the scale."""
        config = self.learned[experiment]
        return config["scales"][self.scale].get("protocols", config["protocols"])

    def why_not(self, experiment: str, variant: str) -> str | None:
        """Return why a variant is not run: its target is not recorded, or the scale."""
        dataset = self.dataset_of(experiment)
        target = self.variant(experiment, variant)["target"]
        missing = [f for f in target if f not in self.datasets[dataset]["factors"]]
        if missing:
            return f"{dataset} does not record {', '.join(missing)}"
        if self.left_out(experiment, variant):
            return f"not of the scale {self.scale}"
        return None

    def left_out(self, experiment: str, variant: str) -> bool:
        """Return whether the scale runs other variants only."""
        run = self.learned[experiment]["scales"][self.scale].get("variants", ["*"])
        return not any(fnmatch.fnmatchcase(variant, pattern) for pattern in run)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Return {named target: its experiments}; an experiment's own id by default."""
        found: dict[str, list[str]] = {}
        for name, experiment in self.experiments.items():
            found.setdefault(experiment.get("group", name), []).append(name)
        return found

    def nouns_of(self, experiment: str) -> dict[str, str]:
        """Return what an experiment's study calls its images, and their groups."""
        studies = self.configs.studies.values()
        return next(
            (s["nouns"] for s in studies if experiment in s["experiments"]), _NOUNS
        )

    def document_of(self, experiment: str) -> str:
        """Return what an experiment's study calls its document."""
        studies = self.configs.studies.values()
        found = (s["document"] for s in studies if experiment in s["experiments"])
        return next(found, "published")

    @property
    def targets(self) -> dict[str, list[str]]:
        """Return {named target: its experiments}: studies, groups, each experiment.

        But for a ladder's rungs, which are one experiment together.
        """
        own = {n: [n] for n in self.experiments if self.shown_in(n) == n}
        chosen = {
            name: [e for e in study["experiments"] if e in self.experiments]
            for name, study in self.configs.studies.items()
        }
        studies = {name: names for name, names in chosen.items() if names}
        return {**own, **self.groups, **studies}

    def shown_in(self, experiment: str) -> str:
        """Return the table that an experiment stands in: its own, or a group's."""
        config = self.configs.experiments[experiment]
        return kinds.of(config).table(experiment, config)

    def of_kind(self, kind: str) -> list[str]:
        """Return the chosen experiments of a kind."""
        return [n for n in self.configs.of_kind(kind) if n in self.experiments]

    def is_official(self, protocol: str) -> bool:
        """Return whether a protocol keeps the test part that a set comes with."""
        return self.protocols[protocol]["unit"] == "official"

    def job(self, experiment: str) -> dict[str, Any]:
        """Return what a training asks for: threads, megabytes, minutes."""
        job = {**_JOB, **self.learned[experiment].get("job", {})}
        return {**job, "minutes": job["minutes"][self.scale]}

    def baselines_of(self, experiment: str, variant: str, protocol: str) -> str:
        """Return the file of the trivial baselines of a variant's task and data.

        Protocols that differ in a network's weights alone share it.
        """
        settings = self.variant(experiment, variant)
        return (
            f"results/data/{self.dataset_of(experiment)}/baselines/"
            f"{settings['augmentation']}/{self.scored_like(protocol)}/"
            f"{settings['task']}-{'+'.join(settings['target'])}.json"
        )

    def scored_like(self, protocol: str) -> str:
        """Return the first protocol that deals, labels and scores the same rows."""

        def rows(name: str) -> tuple:
            config = self.protocols[name]
            return self.dealing(name), config["labels"], config["reported"]

        return next(p for p in self.protocols if rows(p) == rows(protocol))

    def protocols_with(self, folds: int) -> list[str]:
        """Return the protocols of so many folds at the scale."""
        return [p for p in self.protocols if self.folds_of(p) == folds]

    @property
    def fold_counts(self) -> list[int]:
        """Return the numbers of folds that occur at the scale."""
        return sorted({self.folds_of(protocol) for protocol in self.protocols})

    def variant(self, experiment: str, variant: str) -> dict[str, Any]:
        """Return one variant's settings."""
        return self.learned[experiment]["variants"][variant]

    def model_of(self, experiment: str, variant: str) -> str:
        """Return the id of the model that a variant trains."""
        return self.variant(experiment, variant)["model"]

    def folds_of(self, protocol: str) -> int:
        """Return a protocol's number of folds at the scale."""
        return self.protocols[protocol]["folds"][self.scale]

    def copies_of(self, augmentation: str | None) -> int:
        """Return the number of rows for each drawing at the scale; None: one."""
        return (
            1
            if augmentation is None
            else self.augmentations[augmentation]["copies"][self.scale]
        )

    # What of a configuration file matters to a step, as JSON for its params: what else
    # the file says (titles, comments, other scales) must not make the step run again.

    def part(self, kind: str, name: str, *keys: str) -> str:
        """Return some keys of a file in config/KIND/, or without keys all of it."""
        config = getattr(self.configs, kind)[name]
        return json_text(
            {k: config[k] for k in keys if k in config} if keys else config
        )

    def dealing(self, protocol: str) -> str:
        """Return how a protocol deals at the scale."""
        config = self.protocols[protocol]
        name = config["augmentation"]
        images = config.get("images")
        return json_text(
            {
                **({"images": images[self.scale]} if images else {}),
                "unit": config["unit"],
                "augmentation": name,
                "copies": self.copies_of(name) if name else None,
                "folds": self.folds_of(protocol),
                "validation": config["validation"],
            }
        )

    # Labels, images and folds of a scale are remade only if their own numbers change.

    def augmentation_scale(self, augmentation: str) -> str:
        """Return the first scale with as many copies as the one that is run."""
        return self._first_like(self.augmentations[augmentation]["copies"])

    def protocol_scale(self, protocol: str) -> str:
        """Return the first scale that deals as many: folds, copies, images."""
        config = self.protocols[protocol]
        name = config["augmentation"]
        copies = self.augmentations[name]["copies"] if name else config["folds"]
        images = config.get("images", config["folds"])
        return self._first_like(
            {s: (config["folds"][s], copies[s], images[s]) for s in config["folds"]}
        )

    def _first_like(self, values: Mapping[str, Any]) -> str:
        return next(s for s in values if values[s] == values[self.scale])

    def recipe(self, experiment: str, variant: str) -> dict[str, Any]:
        """Return how a variant is trained at the scale."""
        return merged_recipe(self.learned[experiment], variant, self.scale)

    def task(self, experiment: str, variant: str, protocol: str, *keys: str) -> str:
        """Return what one training is to do, as JSON; keys: more of the protocol."""
        settings = self.variant(experiment, variant)
        return json_text(
            {
                "experiment": experiment,
                "variant": variant,
                "protocol": {
                    "id": protocol,
                    **{
                        k: self.protocols[protocol][k]
                        for k in ("labels", "unit", *keys)
                    },
                },
                "recipe": self.recipe(experiment, variant),
                "options": settings.get("options", {}),
                "target": settings["target"],
                "task": settings["task"],
                "loss": settings["loss"],
                "record": self.learned[experiment].get("record", {}),
            }
        )

    @property
    def deviations_digest(self) -> str:
        """Return a hash of the project's DEVIATION comments, which the report lists."""
        return self.digest(" ".join(entry) for entry in deviations.collect(self.base))

    @property
    def command_line(self) -> list[str]:
        """Return the settings as KEY=VALUE, for Snakemake's option --config.

        But for `tune`, which decides about nothing that is in the report.
        """
        settings = dict(self.configs.settings)
        del settings["tune"]
        settings["data_dir"] = str(self.data_dir) if self.data_dir else None
        return [
            f"{key}={json.dumps(value)}"
            for key, value in sorted(settings.items())
            if value is not None
        ]

    @property
    def captions_digest(self) -> str:
        """Return a hash of the report's captions and opening page."""
        texts = sorted((self.base / "workflow" / "report").glob("*.rst"))
        return self.digest(path.read_text("utf-8") for path in texts)

    @staticmethod
    def digest_files(folder: Path, names: Iterable[str]) -> str:
        """Return a short hash of files' names and content."""
        return Study.digest(f"{name}:{sha256_of(folder / name)}" for name in names)

    @staticmethod
    def digest(names: Iterable[str]) -> str:
        """Return a short hash of a list of names."""
        return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def _asked(dataset: str, experiment: Mapping[str, Any], configs: Configs) -> str:
    """Return the data set that is asked for by its id, where it is for an experiment.

    That is one of the experiment's own, or one that the same data stand in for; or
    where it says nothing of that, one whose images are alike.
    """
    if dataset == "auto" or dataset in experiment["datasets"]:
        return dataset
    asked = configs.datasets[dataset]
    own = [configs.datasets[name] for name in experiment["datasets"]]
    stand_ins = {config["stand_in"] for config in own if "stand_in" in config}
    if asked.get("stand_in", dataset) in stand_ins:
        return dataset
    alike = "stand_in" not in asked and dataset not in stand_ins
    shapes = [data_kinds.shape_of(config) for config in own]
    fits = alike and data_kinds.shape_of(asked) in shapes
    targets = [set(v["target"]) for v in experiment["variants"].values()]
    recorded = any(target <= set(asked["factors"]) for target in targets)
    return dataset if fits and recorded else "auto"


def load_study(
    base: Path,
    settings: Mapping[str, Any],
    *,
    given: Iterable[str] = (),
    here: Path | None = None,
    used: Collection[str] = (),
) -> Study:
    """Return the study that config/ and the command line's settings describe.

    base: the project's folder; settings: config/config.yaml with what the command line
    replaced, or what a workflow that imports ours wants otherwise; given: the keys that
    the command line replaced; here: the folder that a relative data_dir is seen from,
    by default the current one; used: the data sets that results were made of before.
    Raises: ConfigError, DatasetError; before any job.
    """
    places.check(base, Path.cwd())
    own = read_yaml(base / "config" / "config.yaml", "config/config.yaml")
    if isinstance(own, Mapping):
        settings = {**own, **settings}
    configs = load_configs(base, settings, given)
    return Study(configs, base, datasets.data_dir_of(configs.settings, here), used)


def json_text(value: Any) -> str:
    """Return JSON that is the same for the same content."""
    return json.dumps(value, sort_keys=True)


__all__ = ["ConfigError", "Study", "load_study"]
