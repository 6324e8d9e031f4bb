# What the rules share: the checked configuration, paths, and the environment of the jobs.
# No rules here, and no logic beyond looking things up.
import getpass
import json
import os
import sys
import time
from pathlib import Path

BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from engine import cache
from scripts.lib import datasets, described, ladder, packages, provenance
from scripts.lib import questions, schema, showing
from scripts.lib.convolutions import asked as convolutions
from scripts.lib.diagnosis import asked as diagnosis
from scripts.lib.study import load_study

try:
    getpass.getuser()
except (KeyError, OSError):  # a container that runs as a user whom it does not know
    os.environ.update(LOGNAME=str(os.getuid()))

# Where the home folder cannot be written, the jobs' caches get another here.
cache.folder()

# Jobs run `python -m scripts.STEP` of this checkout with this interpreter, wherever the
# user stands and whether the virtual environment is activated or not. Without the last
# one a folder `scripts` where the user stands would be run instead.
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    ),
    PYTHONPATH=str(BASE),
    PYTHONSAFEPATH="1",
    MPLBACKEND="Agg",  # a notebook's shell names one that is its own
    # Steps read their part of config/ from here. Its files are no inputs of the rules:
    # what of a file matters to a step stands in its params, so that a comment reruns
    # nothing.
    IGNETLAB_CONFIG=str(BASE / "config"),
)

STARTED = time.time()
# The data sets that results were made of before.
USED = [path.parent.name for path in Path("results/data").glob("*/source.json")]
try:
    # A relative data_dir is seen from where the user stands. With --directory Snakemake
    # has left that place before this line; the shell's PWD remembers it.
    stands = os.environ.get("PWD") if workflow.overwrite_workdir else None
    # Snakemake has read them, but of a key that stands twice took the last without a word.
    for file in workflow.config_settings.configfiles or ():
        schema.read_yaml(Path(file), str(file))
    STUDY = load_study(
        BASE,
        config,
        given=workflow.config_settings.overwrite_config,
        here=Path(stands or Path.cwd()),
        used=USED,
    )
    STUDY.check_folders()
except (ValueError, OSError) as error:
    raise WorkflowError(str(error)) from None
if USED and not list(Path(".snakemake").glob("metadata*")):
    logger.warning(
        "There are results, but no records of how they were made (.snakemake was "
        "deleted?): settings, code or data_dir that changed are not noticed. Delete "
        "results/, or give --forceall, to be sure."
    )
# No params of the rules: no result depends on them, so another choice reruns nothing.
os.environ.update(
    IGNETLAB_TUNE="1" if STUDY.tune else "0",
    IGNETLAB_SHARE_GPU="1" if STUDY.share_gpu else "0",
    # No number in calls that run no job: --unlock, --summary, --report, ...
    IGNETLAB_CORES=str(workflow.resource_settings.cores),
)
# Without --cache Snakemake would say of each such rule, at every start, that it can be
# cached.
CACHED = workflow.workflow_settings.cache is not None
# Resources of what computes on the device. Missing rather than 0, which Kubernetes takes
# for a GPU asked for.
GPU = {"gpu": STUDY.gpus} if STUDY.gpus else {}
# All folds of one variant under one protocol; below it fold0/, fold1/, ...
RUN = "results/runs/{experiment}/{variant}/{protocol}/seed{seed}"
# Parts of the step `diagnostics`, and what each makes below results/.
LOOKED_INTO = diagnosis.experiment_of(STUDY)
DIAGNOSTICS = {
    "derivatives": ["tables/ignet_diagnostics.csv", "figures/ignet_diagnostics.png"],
    "tuning": ["tables/ignet_tune.csv"],
    "w2": ["tables/ignet_w2.csv", "figures/ignet_w2.png"],
    "freezeconnect": ["tables/freezeconnect.csv", "figures/freezeconnect.png"],
}
# The same trainings by Keras.
KERAS_RUN = "results/runs/keras_peer/{experiment}/{variant}/{protocol}/seed{seed}"


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    augmentation="[A-Za-z0-9_-]+",
    experiment="[A-Za-z0-9_-]+",
    rung="[A-Za-z0-9_-]+",
    variant="[A-Za-z0-9_-]+",
    protocol="[A-Za-z0-9_-]+",
    task="regression|classification",
    target=r"[a-z0-9_+]+",
    seed=r"\d+",


def dataset_part(*keys):
    """A params function: what a step reads of its data set's configuration."""
    return lambda wc: STUDY.part("datasets", wc.dataset, *keys)


def code(*steps):
    """The fingerprint of the code that these steps run: a change of it reruns them."""
    return provenance.fingerprint(*(f"scripts.{step}" for step in steps))


def megabytes(number):
    """A resource: memory; twice of it at the second attempt, and so on."""
    return lambda wildcards, attempt: number * attempt


def all_cores(wildcards):
    """The threads of a rule beside which nothing shall run.

    A function, for a call that runs no job (--unlock, --summary, ...) has no --cores.
    """
    return workflow.cores


def minutes(smoke, demo, short, paper):
    """The resource `runtime`: the longest job of a rule at each scale, with room."""
    number = dict(smoke=smoke, demo=demo, short=short, paper=paper)[STUDY.scale]
    return lambda wildcards, attempt: number * attempt


def wildcards_of(wildcards):
    """A param of every cached rule: by its wildcards alone --cache tells nothing apart."""
    return dict(wildcards.items())


def numbered(files):
    """Outputs with a name each, as --cache asks for."""
    return {f"file{number}": file for number, file in enumerate(files)}


def folder_of(wildcards):
    """Where a data set's drawings lie."""
    folder = STUDY.folders[wildcards.dataset]
    return str(folder) if folder else f"results/data/{wildcards.dataset}/raw"


def downloaded_of(wildcards):
    """The files of a data set's archive; none if the data set is not downloaded."""
    if wildcards.dataset not in STUDY.downloaded:
        return []
    names = datasets.archive_files(STUDY.datasets[wildcards.dataset])
    return [f"{folder_of(wildcards)}/{name}" for name in names]


def names_of(wildcards):
    """The drawings' names, relative to their folder."""
    config_ = STUDY.datasets[wildcards.dataset]
    if config_["kind"] in datasets.GENERATED:
        return datasets.generated_files(config_)
    if wildcards.dataset in STUDY.downloaded:
        return datasets.archive_files(config_)
    if config_["kind"] in datasets.CIFAR:
        return datasets.list_drawings(config_, Path(folder_of(wildcards)))
    return datasets.list_images(Path(folder_of(wildcards)), config_["title"])


def drawings_of(wildcards):
    """The drawings' files: editing one reruns what reads its pixels."""
    return named_inputs(wildcards, names_of(wildcards))


def unnamed_drawings(wildcards):
    """The content of those drawings that cannot be named as inputs."""
    return unnamed_content(wildcards, names_of(wildcards))


def named_inputs(wildcards, names):
    """Those files of a data set that can be named as inputs."""
    files = [f"{folder_of(wildcards)}/{name}" for name in names]
    named = [file for file in files if can_be_named(wildcards.dataset, file)]
    return at_hand(wildcards.dataset, named)


def unnamed_content(wildcards, names):
    """The content of the others, for the params: a change of it is noticed as well."""
    folder, dataset = folder_of(wildcards), wildcards.dataset
    others = [n for n in names if not can_be_named(dataset, f"{folder}/{n}")]
    return STUDY.digest_files(Path(folder), others)


def can_be_named(dataset, file):
    """Whether Snakemake takes a file of a data set as it is.

    {a} were a wildcard, <a> a variable; and of a user's file whose time is still to come
    nothing could be made, for what is made were older.
    """
    if set(file) & set("{}<>"):
        return False
    path = Path(file)
    late = path.exists() and path.stat().st_mtime > STARTED
    return not (late and own_folder(dataset))


def data_folder(experiment):
    """Where the files of the data set lie that an experiment runs on."""
    return f"results/data/{STUDY.dataset_of(experiment)}"


def data_of(name):
    """An input function: a file of the data set that the job's experiment runs on."""
    return lambda wc: f"{data_folder(wc.experiment)}/{name}"


def augmented_of(wildcards):
    """The copies that a variant learns from; without a variant the experiment's own."""
    experiment = STUDY.experiments[wildcards.experiment]
    variant = experiment["variants"].get(
        getattr(wildcards, "variant", None), experiment
    )
    folder = data_folder(wildcards.experiment)
    return f"{folder}/augmented/{variant['augmentation']}.npz"


def folds_of(wildcards):
    return f"{data_folder(wildcards.experiment)}/folds/{wildcards.protocol}.json"


def audit_file(experiment, variant, protocol):
    """The leak audit of a variant's copies, dealt by a protocol."""
    augmentation = STUDY.variant(experiment, variant)["augmentation"]
    folder = f"{data_folder(experiment)}/audit"
    return f"{folder}/{augmentation}/{protocol}.json"


def audit_of(wildcards):
    """The leak audit of what one training learns and is scored on."""
    return audit_file(wildcards.experiment, wildcards.variant, wildcards.protocol)


def audits_of(experiments):
    """The leak audits of all trainings of some experiments."""
    return sorted(
        {
            audit_file(name, variant, protocol)
            for name in experiments
            for variant, protocol in STUDY.runs_of(name)
        }
    )


def sources_of(experiments):
    """Where the data sets of some experiments come from."""
    names = {STUDY.dataset_of(name) for name in experiments}
    return [f"results/data/{name}/source.json" for name in sorted(names)]


def augmentation_option(wildcards):
    """Option of scripts.folds that names the recipe whose copies are dealt."""
    name = STUDY.protocols[wildcards.protocol]["augmentation"]
    file = f'"$IGNETLAB_CONFIG"/augmentations/{name}.yaml'
    return f"--augmentation {file}" if name else ""


def label_sources(wildcards):
    """What labels depend on beside names: source.json, and files of the data set."""
    source = f"results/data/{wildcards.dataset}/source.json"
    return [source, *named_inputs(wildcards, label_files(wildcards))]


def unnamed_label_files(wildcards):
    """The content of those files that cannot be named as inputs."""
    return unnamed_content(wildcards, label_files(wildcards))


def label_files(wildcards):
    """The files of a data set that its labels are read from, relative to its folder."""
    kind = STUDY.datasets[wildcards.dataset]["kind"]
    # Of what is in a storage a job finds no names but those of the files that it is given.
    given = STORED and not own_folder(wildcards.dataset)
    names = list(names_of(wildcards)) if kind in datasets.CIFAR or given else []
    return [*names, "labels.csv"] if kind == "labels_csv" else names


def of_all_folds(name, folds, run=RUN):
    """The file `name` of each of so many folds of one training."""
    return [f"{run}/fold{j}/{name}" for j in range(folds)]


def trainings_of(experiment, name):
    """The file `name` of every training of an experiment."""
    return _files_of(experiment, STUDY.runs_of(experiment), name, RUN)


def keras_runs_of(experiment, name, run):
    """The same of those that Keras learns too; run: RUN (ours) or KERAS_RUN."""
    return _files_of(experiment, STUDY.keras_runs_of(experiment), name, run)


def _files_of(experiment, pairs, name, run):
    return [
        path.format(
            experiment=experiment, variant=variant, protocol=protocol, seed=seed
        )
        for variant, protocol in pairs
        for seed in STUDY.seeds
        for path in of_all_folds(name, STUDY.folds_of(protocol), run)
    ]


def needs_keras(wildcards):
    """No file, but an error before the first job where Keras is not installed."""
    packages.require_keras()
    return []


def task_of(*keys):
    """A params function: what one training is asked to do; keys: more of its protocol."""
    return lambda wc: STUDY.task(wc.experiment, wc.variant, wc.protocol, *keys)


def diagnosed(part):
    """The inputs of one part: data and folds of the experiment that is looked into."""
    folder = f"results/data/{STUDY.dataset_of(LOOKED_INTO)}"
    augmentation = STUDY.experiments[LOOKED_INTO]["augmentation"]
    protocols = diagnosis.protocols_of(STUDY, part)
    return {
        "labels": f"{folder}/labels.csv",
        "augmented": f"{folder}/augmented/{augmentation}.npz",
        "source": f"{folder}/source.json",
        "folds": [f"{folder}/folds/{protocol}.json" for protocol in protocols],
        # As for any training: what leaks and must not is not learned from.
        "audit": [f"{folder}/audit/{augmentation}/{p}.json" for p in protocols],
    }


def diagnostics_of(experiment):
    """Tables and figures of this file that belong to an experiment."""
    if experiment != LOOKED_INTO:
        return []
    return [
        f"results/{file}"
        for part, files in DIAGNOSTICS.items()
        for file in files
        if diagnosis.variants_of(STUDY, part)
    ]


def of_first_seed(experiment, variants, protocols, name):
    """The file `name` of all folds of some trainings, of the first seed."""
    run = dict(experiment=experiment, seed=STUDY.seeds[0])
    return [
        path.format(variant=variant, protocol=protocol, **run)
        for variant in variants
        for protocol in protocols
        for path in of_all_folds(name, STUDY.folds_of(protocol))
    ]


def profiled(experiment, sheet):
    """The histories that a sheet of learning profiles shows."""
    protocols = showing.profile_protocols(STUDY, experiment)
    variants = showing.sheets_of(STUDY, experiment)[sheet]
    return of_first_seed(experiment, variants, protocols, "history.csv")


def sampled(experiment):
    """The predictions that a sheet of drawings and ages shows."""
    variant, protocol = showing.samples_of(STUDY, experiment)
    return of_first_seed(experiment, [variant], [protocol], "predictions.csv")
