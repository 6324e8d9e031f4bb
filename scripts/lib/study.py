"""What is to be run: the checked configuration at one scale, with one data_dir.

The rules look everything up here; nothing is read twice, and nothing slow is imported.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib import datasets, deviations
from scripts.lib.config import ConfigError, Configs, load_configs, merged_recipe
from scripts.lib.files import sha256_of


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
        settings = configs.settings
        self.scale: str = settings["scale"]
        self.seeds: list[int] = settings["seeds"]
        self.device: str = settings["device"]
        self.tune: bool = settings["tune"]
        self.gpus: int = settings["gpus_per_training"]
        self.share_gpu: bool = settings["share_gpu"]
        self.experiments = {n: configs.experiments[n] for n in settings["experiments"]}
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
            for name, experiment in self.experiments.items()
            if experiment["kind"] in ("training", "ladder")
        }
        if settings["download"]:
            datasets.check_download(self.choices.values(), configs.datasets)
        self.folders = {c.dataset: c.folder for c in self.choices.values()}
        self.generated = [name for name, folder in self.folders.items() if not folder]
        self.downloaded = {c.dataset for c in self.choices.values() if c.downloaded}
        self.local = [name for name, folder in self.folders.items() if folder]
        self.trained = [n for n in self.experiments if self.runs_of(n)]

    def check_folders(self) -> None:
        """Refuse data sets in data_dir without the files by which they are read.

        Raises: DatasetError, OSError.
        """
        for choice in set(self.choices.values()):
            if choice.folder and not choice.downloaded:
                datasets.check_folder(self.datasets[choice.dataset], choice.folder)

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
            experiment = self.experiments[name]
            ladder = experiment["kind"] == "ladder"
            told = experiment["group"] if ladder else name
            ran.setdefault(choice, []).append(told)
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
        if self.experiments[experiment]["kind"] != "training":
            return []
        return [
            (name, protocol)
            for name in self.experiments[experiment]["variants"]
            if not self.why_not(experiment, name)
            for protocol in self.protocols_of(experiment)
        ]

    @property
    def beside_keras(self) -> str | None:
        """Return the experiment of which Keras learns something too, if it is run."""
        asked = [n for n in self.trained if "keras_peer" in self.experiments[n]]
        return next((n for n in asked if self.keras_runs_of(n)), None)

    def keras_runs_of(self, experiment: str) -> list[tuple[str, str]]:
        """Return the (variant, protocol) pairs that Keras learns too."""
        asked = self.experiments[experiment]["keras_peer"]
        return [
            (variant, protocol)
            for variant, protocol in self.runs_of(experiment)
            if variant in asked["variants"] and protocol in asked["protocols"]
        ]

    def protocols_of(self, experiment: str) -> list[str]:
        """Return the protocols that an experiment is run under at the scale."""
        config = self.experiments[experiment]
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
        run = self.experiments[experiment]["scales"][self.scale].get("variants", ["*"])
        return not any(fnmatch.fnmatchcase(variant, pattern) for pattern in run)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Return {named target: its experiments}; an experiment's own id by default."""
        found: dict[str, list[str]] = {}
        for name, experiment in self.experiments.items():
            found.setdefault(experiment.get("group", name), []).append(name)
        return found

    @property
    def targets(self) -> dict[str, list[str]]:
        """Return {named target: its experiments}: the groups, and each experiment.

        But for a ladder's rungs, which are one experiment together.
        """
        own = {n: [n] for n, e in self.experiments.items() if e["kind"] != "ladder"}
        return {**own, **self.groups}

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
        dealt = [p for p in self.protocols if self.protocols[p]["unit"] != "official"]
        return [p for p in dealt if self.folds_of(p) == folds]

    @property
    def fold_counts(self) -> list[int]:
        """Return the numbers of folds that occur at the scale."""
        counts = {self.folds_of(protocol) for protocol in self.protocols}
        return sorted(n for n in counts if self.protocols_with(n))

    def variant(self, experiment: str, variant: str) -> dict[str, Any]:
        """Return one variant's settings."""
        return self.experiments[experiment]["variants"][variant]

    def model_of(self, experiment: str, variant: str) -> str:
        """Return the id of the model that a variant trains."""
        return self.variant(experiment, variant)["model"]

    def folds_of(self, protocol: str) -> int:
        """Return a protocol's number of folds at the scale."""
        return self.protocols[protocol]["folds"][self.scale]

    def copies_of(self, augmentation: str) -> int:
        """Return the number of rows for each drawing at the scale."""
        return self.augmentations[augmentation]["copies"][self.scale]

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
        return merged_recipe(self.experiments[experiment], variant, self.scale)

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

    A ladder's rungs learn photos, and no other experiment does.
    """
    kind = configs.datasets[dataset]["kind"] if dataset != "auto" else None
    photos = kind in datasets.CIFAR
    return dataset if photos == (experiment["kind"] == "ladder") else "auto"


def _check_places(base: Path, work: Path) -> None:
    """Refuse paths that Python or Snakemake would take for others.

    Raises: ConfigError.
    """
    if os.pathsep in str(base):  # the jobs find the project by PYTHONPATH
        raise ConfigError(
            f"{base}: expected the project in a folder without {os.pathsep!r} in its "
            "path, which Python takes for the end of a folder; rename or move it"
        )
    # Snakemake makes this folder even for --dry-run.
    place = work / ".snakemake" if (work / ".snakemake").exists() else work
    if not (os.access(place, os.W_OK) or (place / "locks").is_dir()):
        raise ConfigError(
            f"{place}: expected a folder that you may write, it belongs to user "
            f"{place.stat().st_uid} (was there a run by sudo?); have it given to you, "
            "or work in another: snakemake --directory DIR"
        )
    # Else it looks for its locks in, and removes those of, other folders as well.
    if re.search(r"\{.*\}", str(work), re.DOTALL):
        raise ConfigError(
            f"{work}: expected a folder to work in without {{…}} in its path, which "
            "Snakemake takes for any name; rename it, or work in another: "
            "snakemake --directory DIR"
        )


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
    replaced; given: the keys that it replaced; here: the folder that a relative
    data_dir is seen from, by default the current one; used: the data sets that results
    were made of before.
    Raises: ConfigError, DatasetError; before any job.
    """
    _check_places(base, Path.cwd())
    configs = load_configs(base, settings, given)
    return Study(configs, base, datasets.data_dir_of(configs.settings, here), used)


def json_text(value: Any) -> str:
    """Return JSON that is the same for the same content."""
    return json.dumps(value, sort_keys=True)


__all__ = ["ConfigError", "Study", "load_study"]
