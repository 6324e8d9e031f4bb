"""Which files a rule reads and makes, as functions of its wildcards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.lib.data import kinds as data_kinds
from scripts.lib.io import packages
from scripts.lib.study import claims_plan, datasets, figures_plan
from scripts.lib.study.kinds import diagnostics, keras_peer, ladder
from scripts.lib.study.study import Study

# All folds of one variant under one protocol; below it fold0/, fold1/, ...
RUN = "results/runs/{experiment}/{variant}/{protocol}/seed{seed}"
# The same trainings by Keras.
KERAS_RUN = "results/runs/keras_peer/{experiment}/{variant}/{protocol}/seed{seed}"


def numbered(files: Iterable[str]) -> dict[str, str]:
    """Return outputs with a name each, as --cache asks for."""
    return {f"file{number}": file for number, file in enumerate(files)}


def of_all_folds(name: str, folds: int, run: str = RUN) -> list[str]:
    """Return the file `name` of each of so many folds of one training."""
    return [f"{run}/fold{j}/{name}" for j in range(folds)]


class Inputs:
    """Inputs of all rules.

    stored: whether files are sent to a storage, and lie on no disk that the whole run
    sees; local: Snakemake's mark of what is read where it lies all the same.
    """

    def __init__(self, study: Study, *, stored: bool, local: Callable[[list], Any]):
        self.study, self.stored, self._local = study, stored, local
        self._started = time.time()

    # --- data sets --------------------------------------------------------------

    def own_folder(self, dataset: str) -> Path | None:
        """Return the user's folder of a data set; None: it is drawn or downloaded."""
        downloaded = dataset in self.study.downloaded
        return None if downloaded else self.study.folders[dataset]

    def at_hand(self, dataset: str, files: list[str]) -> Any:
        """Mark the files of a data set that are read where they lie."""
        own = self.stored and self.own_folder(dataset)
        return self._local(files) if own else files

    def folder(self, wildcards) -> str:
        """Return where a data set's files lie."""
        folder = self.study.folders[wildcards.dataset]
        return str(folder) if folder else f"results/data/{wildcards.dataset}/raw"

    def downloaded(self, wildcards) -> list[str]:
        """Return the files of a data set's archive; none if it is not downloaded."""
        if wildcards.dataset not in self.study.downloaded:
            return []
        names = datasets.archive_files(self.study.datasets[wildcards.dataset])
        return [f"{self.folder(wildcards)}/{name}" for name in names]

    def names(self, wildcards) -> Iterable[str]:
        """Return the names of a data set's files, relative to their folder."""
        config = self.study.datasets[wildcards.dataset]
        kind = data_kinds.of(config)
        if kind.made_files:
            return kind.made_files(config)
        if wildcards.dataset in self.study.downloaded:
            return datasets.archive_files(config)
        return kind.files(config, Path(self.folder(wildcards)))

    def made_files(self, dataset: str) -> Iterable[str]:
        """Return the names of the files of a generated data set."""
        config = self.study.datasets[dataset]
        return data_kinds.of(config).made_files(config)

    def raw(self, wildcards) -> Any:
        """Return a data set's files: editing one reruns what reads its pixels."""
        return self._named(wildcards, self.names(wildcards))

    def unnamed_raw(self, wildcards) -> str:
        """Return the content of those files that cannot be named as inputs."""
        return self._unnamed(wildcards, self.names(wildcards))

    def label_sources(self, wildcards) -> list[Any]:
        """Return what labels depend on beside names: source.json, and label files."""
        source = f"results/data/{wildcards.dataset}/source.json"
        return [source, *self._named(wildcards, self._label_files(wildcards))]

    def unnamed_labels(self, wildcards) -> str:
        """Return the content of those files that cannot be named as inputs."""
        return self._unnamed(wildcards, self._label_files(wildcards))

    def _label_files(self, wildcards) -> list[str]:
        """Return the files that labels are read from, relative to the folder."""
        config = self.study.datasets[wildcards.dataset]
        names = list(self.names(wildcards))
        files = data_kinds.of(config).label_files(config, names)
        # Of what is in a storage a job finds no names but those of the files that it
        # is given.
        given = self.stored and not self.own_folder(wildcards.dataset)
        return list(dict.fromkeys([*names, *files])) if given else files

    def _named(self, wildcards, names: Iterable[str]) -> Any:
        """Return those files of a data set that can be named as inputs."""
        folder, dataset = self.folder(wildcards), wildcards.dataset
        files = [f"{folder}/{name}" for name in names]
        return self.at_hand(dataset, [f for f in files if self._is_input(dataset, f)])

    def _unnamed(self, wildcards, names: Iterable[str]) -> str:
        """Return the others' content, for params: a change of it is noticed as well."""
        folder, dataset = self.folder(wildcards), wildcards.dataset
        others = [n for n in names if not self._is_input(dataset, f"{folder}/{n}")]
        return self.study.digest_files(Path(folder), others)

    def _is_input(self, dataset: str, file: str) -> bool:
        """Return whether Snakemake takes a file of a data set as it is.

        {a} were a wildcard, <a> a variable; and of a user's file whose time is still to
        come nothing could be made, for what is made were older.
        """
        if set(file) & set("{}<>"):
            return False
        path = Path(file)
        late = path.exists() and path.stat().st_mtime > self._started
        return not (late and self.own_folder(dataset))

    # --- what one training reads ------------------------------------------------

    def data_folder(self, experiment: str) -> str:
        """Return where the files of the data set lie that an experiment runs on."""
        return f"results/data/{self.study.dataset_of(experiment)}"

    def data(self, name: str) -> Callable[[Any], str]:
        """Return an input function: a file of the data set of the job's experiment."""
        return lambda wc: f"{self.data_folder(wc.experiment)}/{name}"

    def learned(self, wildcards) -> str:
        """Return the images that a variant learns from, without the set's test part."""
        return self._rows(
            self.data_folder(wildcards.experiment),
            self.study.variant(wildcards.experiment, wildcards.variant)["augmentation"],
            wildcards.protocol,
        )

    def copies(self, wildcards) -> str:
        """Return the copies that an experiment's variants learn from by default."""
        name = self.study.experiments[wildcards.experiment]["augmentation"]
        return f"{self.data_folder(wildcards.experiment)}/augmented/{name}.npz"

    def tested(self, wildcards) -> list[str]:
        """Return the images of a set's own test part, where they lie apart."""
        if not self.study.is_official(wildcards.protocol):
            return []
        folder = self.data_folder(wildcards.experiment)
        return [f"{folder}/parts/{wildcards.protocol}/test.npz"]

    def _rows(self, folder: str, augmentation: str | None, protocol: str) -> str:
        if self.study.is_official(protocol):
            return f"{folder}/parts/{protocol}/learn.npz"
        if augmentation is None:
            return f"{folder}/images.npz"
        return f"{folder}/augmented/{augmentation}.npz"

    def folds(self, wildcards) -> str:
        """Return the folds that a training learns."""
        folder = self.data_folder(wildcards.experiment)
        return f"{folder}/folds/{wildcards.protocol}.json"

    def audit_file(self, experiment: str, variant: str, protocol: str) -> list[str]:
        """Return the leak audit of a variant's rows, dealt by a protocol.

        None of a set's own split: that it may leak is told, by near-duplicates.
        """
        if self.study.is_official(protocol):
            return []
        augmentation = self.study.variant(experiment, variant)["augmentation"]
        folder = f"{self.data_folder(experiment)}/audit"
        return [f"{folder}/{augmentation or datasets.PLAIN}/{protocol}.json"]

    def audit(self, wildcards) -> list[str]:
        """Return the leak audit of what one training learns and is scored on."""
        wc = wildcards
        return self.audit_file(wc.experiment, wc.variant, wc.protocol)

    def augmented(self, wildcards) -> str:
        """Return the rows that an audit or the trivial baselines look at."""
        name = wildcards.augmentation
        augmentation = None if name == datasets.PLAIN else name
        folder = f"results/data/{wildcards.dataset}"
        return self._rows(folder, augmentation, wildcards.protocol)

    # --- what several trainings left --------------------------------------------

    def audits(self) -> list[str]:
        """Return the leak audits of all trainings, each once."""
        return sorted(
            {
                file
                for name in self.study.trained
                for variant, protocol in self.study.runs_of(name)
                for file in self.audit_file(name, variant, protocol)
            }
        )

    def audited(self) -> list[str]:
        """Return the experiments whose rows are audited."""
        return [
            name
            for name in self.study.trained
            if any(self.audit_file(name, *run) for run in self.study.runs_of(name))
        ]

    def sources(self, experiments: Iterable[str]) -> list[str]:
        """Return where the data sets of some experiments come from."""
        names = {self.study.dataset_of(name) for name in experiments}
        return [f"results/data/{name}/source.json" for name in sorted(names)]

    def trainings(self, experiment: str, name: str) -> list[str]:
        """Return the file `name` of every training of an experiment."""
        return self._files(experiment, self.study.runs_of(experiment), name, RUN)

    def keras_runs(self, peer: str, name: str, run: str) -> list[str]:
        """Return the same of those that Keras learns; run: RUN (ours) or KERAS_RUN."""
        experiment = keras_peer.experiment_of(self.study, peer)
        return self._files(experiment, keras_peer.runs_of(self.study, peer), name, run)

    def _files(
        self, experiment: str, pairs: Iterable[tuple[str, str]], name: str, run: str
    ) -> list[str]:
        return [
            path.format(
                experiment=experiment, variant=variant, protocol=protocol, seed=seed
            )
            for variant, protocol in pairs
            for seed in self.study.seeds
            for path in of_all_folds(name, self.study.folds_of(protocol), run)
        ]

    def baselines(self, experiment: str) -> list[str]:
        """Return the trivial baselines of an experiment's variants, each once."""
        if not self.study.experiments[experiment].get("baselines", True):
            return []
        runs = self.study.runs_of(experiment)
        return sorted({self.study.baselines_of(experiment, *run) for run in runs})

    def of_first_seed(
        self, experiment: str, variants: Iterable[str], protocols: list[str], name: str
    ) -> Iterator[str]:
        """Yield the file `name` of all folds of some trainings, of the first seed."""
        for variant in variants:
            for protocol in protocols:
                for path in of_all_folds(name, self.study.folds_of(protocol)):
                    yield path.format(
                        experiment=experiment,
                        variant=variant,
                        protocol=protocol,
                        seed=self.study.seeds[0],
                    )

    def profiled(self, wildcards) -> list[str]:
        """Return the histories that a sheet of learning profiles shows."""
        experiment, sheet = wildcards.experiment, wildcards.sheet
        protocols = figures_plan.profile_protocols(self.study, experiment)
        variants = figures_plan.sheets_of(self.study, experiment)[sheet]
        return [*self.of_first_seed(experiment, variants, protocols, "history.csv")]

    def sampled(self, wildcards) -> list[str]:
        """Return the predictions that a sheet of samples shows."""
        experiment = wildcards.experiment
        variant, protocol = figures_plan.samples_of(self.study, experiment)
        name = "predictions.csv"
        return [*self.of_first_seed(experiment, [variant], [protocol], name)]

    def compared(self, wildcards) -> dict[str, list[str]]:
        """Return the scores of all models of a comparison, and the folds they share."""
        study = self.study
        asked = study.configs.comparisons[wildcards.comparison]
        names = claims_plan.compared(study, wildcards.comparison)
        runs = [
            (name, variant, protocol)
            for name in names
            for variant, protocol in study.runs_of(name)
            if protocol in claims_plan.honest_protocols(study, name)
        ]
        dealt = sorted({(study.dataset_of(name), p) for name, _, p in runs})
        measured = [
            run for run in runs if claims_plan.measured_by_baselines(asked, run[0])
        ]
        return {
            "metrics": [
                file
                for name, *run in runs
                for file in self._files(name, [tuple(run)], "metrics.json", RUN)
            ],
            "baselines": sorted({study.baselines_of(*run) for run in measured}),
            "folds": [f"results/data/{d}/folds/{p}.json" for d, p in dealt],
            "labels": [f"results/data/{d}/labels.csv" for d in sorted({*dict(dealt)})],
            "sources": self.sources(names),
        }

    # --- kinds of experiments ---------------------------------------------------

    def diagnosed(self, name: str, part: str) -> dict[str, Any]:
        """Return the inputs of one part: data and folds of what is looked into."""
        experiment = diagnostics.experiment_of(self.study, name)
        folder = self.data_folder(experiment)
        augmentation = self.study.experiments[experiment]["augmentation"]
        protocols = diagnostics.protocols_of(self.study, name, part)
        return {
            "labels": f"{folder}/labels.csv",
            "augmented": f"{folder}/augmented/{augmentation}.npz",
            "source": f"{folder}/source.json",
            "folds": [f"{folder}/folds/{protocol}.json" for protocol in protocols],
            # As for any training: what leaks and must not is not learned from.
            "audit": [f"{folder}/audit/{augmentation}/{p}.json" for p in protocols],
        }

    @staticmethod
    def keras(wildcards) -> list[str]:
        """Return no file, but raise an error before the first job without Keras."""
        packages.require_keras()
        return []

    def ladder_data(self, name: str) -> Callable[[Any], str]:
        """Return an input function: a file of the data set that a ladder runs on."""
        return lambda wc: f"{self.data_folder(self._first(wc.group))}/{name}"

    def ladder_runs(self, name: str) -> Callable[[Any], list[str]]:
        """Return an input function: the file `name` of every training of a ladder."""
        return lambda wc: [
            file
            for rung in ladder.trained(self.study, wc.group)
            for file in self.trainings(rung, name)
        ]

    def near_duplicates(self, group: str) -> str:
        """Return the near-duplicates over a ladder's split, without the ending."""
        protocol = ladder.protocol_of(self.study, group)
        return f"{self.data_folder(self._first(group))}/near_duplicates/{protocol}"

    def sheet(self, ending: str) -> Callable[[Any], str]:
        """Return an input function: the near-duplicates that a sheet shows."""
        sheets = ladder.sheets(self.study)
        return lambda wc: f"{self.near_duplicates(sheets[wc.split])}{ending}"

    def sheet_source(self, wildcards) -> str:
        """Return where the data of such a sheet come from."""
        group = ladder.sheets(self.study)[wildcards.split]
        return f"{self.data_folder(self._first(group))}/source.json"

    def _first(self, group: str) -> str:
        return ladder.rungs(self.study, group)[0]
