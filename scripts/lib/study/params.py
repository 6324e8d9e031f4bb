"""Params and resources of rules, as functions of wildcards, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.lib.io import provenance
from scripts.lib.study import datasets
from scripts.lib.study.inputs import Inputs

Function = Callable[..., Any]


def code(*steps: str) -> str:
    """Return the fingerprint of the code that steps run: a change of it reruns them."""
    return provenance.fingerprint(*(f"scripts.{step}" for step in steps))


def megabytes(number: int) -> Function:
    """A resource: memory; twice of it at the second attempt, and so on."""
    return lambda wildcards, attempt: number * attempt


def wildcards_of(wildcards) -> dict[str, str]:
    """A param of every cached rule: --cache does not tell wildcards apart."""
    return dict(wildcards.items())


def above(file: Any, levels: int) -> str:
    """Return the folder so many levels above a file.

    Jobs find folders by their files: with a storage plug-in (S3) these are not below
    results/ but in Snakemake's copy of them.
    """
    return str(Path(file).parents[levels - 1])


def stem_of(wildcards, output) -> str:
    """The first output without .csv."""
    return str(output[0]).removesuffix(".csv")


def run_of(wildcards, output) -> str:
    """The folder of a training, above folds; checkpoints lie there.

    Snakemake deletes the outputs if a job fails, and leaves what is beside them.
    """
    return above(output[0], 2)


def runs_above(name: str) -> Function:
    """results/runs, above the files of trainings that are read."""
    # .../EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/name
    return lambda wc, input: above(getattr(input, name)[0], 6)


class StudyParams:
    """Params that depend on what is run; workflow: Snakemake's, of this call."""

    def __init__(self, inputs: Inputs, workflow: Any):
        self.inputs, self.study, self.workflow = inputs, inputs.study, workflow
        # In groups where a profile says how large they are; else they run one by one.
        self.grouped = bool(workflow.group_settings.group_components)
        # Snakemake leaves params that are made of outputs out of what it compares;
        # without a storage another data_dir must be noticed.
        self.raw_folder = self._stored_folder if inputs.stored else inputs.folder

    def minutes(self, smoke: int, demo: int, short: int, paper: int) -> Function:
        """The resource `runtime`: a rule's longest job at each scale, with room."""
        scales = dict(smoke=smoke, demo=demo, short=short, paper=paper)
        number = scales[self.study.scale]
        return lambda wildcards, attempt: number * attempt

    def job(self, key: str) -> Function:
        """A resource of a training, as its experiment says."""
        return lambda wc, attempt: self.study.job(wc.experiment)[key] * attempt

    def threads(self, wildcards) -> int:
        """The threads of a training, as its experiment says."""
        return self.study.job(wildcards.experiment)["threads"]

    def all_cores(self, wildcards) -> int:
        """The threads of a rule beside which nothing shall run.

        A function, for a call that runs no job (--unlock, --summary) has no --cores.
        """
        return self.workflow.cores

    def group(self, name: str) -> str | None:
        """The group that a rule's jobs are sent in, where there are groups."""
        return name if self.grouped else None

    def group_of_training(self, wildcards) -> str | None:
        """The same of a training and its scores; none of long ones."""
        return self.group("training") if self.threads(wildcards) == 1 else None

    def dataset(self, *keys: str) -> Function:
        """What a step reads of its data set's configuration."""
        return lambda wc: self.study.part("datasets", wc.dataset, *keys)

    def reading(self, step: str) -> Function:
        """The fingerprint of a step's code, and of the kind of data set it reads."""
        return lambda wc: self.code_of(step, wc.dataset)

    def code_of(self, step: str, dataset: str) -> str:
        """The same for one data set."""
        return code(step, f"lib.data.kinds.{self.study.datasets[dataset]['kind']}")

    def task(self, *keys: str) -> Function:
        """What one training is asked to do; keys: more of its protocol."""
        study = self.study
        return lambda wc: study.task(wc.experiment, wc.variant, wc.protocol, *keys)

    def model_name(self, wildcards) -> str:
        """The model that a variant trains."""
        return self.study.model_of(wildcards.experiment, wildcards.variant)

    def model(self, wildcards) -> str:
        """Its content."""
        return self.study.part("models", self.model_name(wildcards))

    def augmentation_option(self, wildcards) -> str:
        """Option of scripts.folds that names the recipe whose copies are dealt."""
        name = self.study.protocols[wildcards.protocol]["augmentation"]
        file = f'"$IGNETLAB_CONFIG"/augmentations/{name}.yaml'
        return f"--augmentation {file}" if name else ""

    def _stored_folder(self, wildcards, output) -> str:
        """A data set's files, at hand or beside the first output."""
        folder = self.inputs.own_folder(wildcards.dataset)
        return str(folder) if folder else f"{above(output[0], 1)}/raw"

    def unpacked_in(self, dataset: str) -> Function:
        """The folder that an archive's files are unpacked in."""
        first = datasets.archive_files(self.study.datasets[dataset])[0]
        return lambda wc, output: above(output[0], 1 + first.count("/"))

    def archive_of(self, dataset: str) -> Function:
        """Where the archive is kept, beside that folder."""
        kept = datasets.archive_path(dataset, self.study.datasets[dataset])
        kept = kept.relative_to(datasets.raw_folder(dataset).parent)
        folder = self.unpacked_in(dataset)
        return lambda wc, output: f"{above(folder(wc, output), 1)}/{kept}"
