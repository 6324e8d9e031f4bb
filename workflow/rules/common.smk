# What the rules share: the checked configuration, and the environment of the jobs. No rules
# here, and no logic: what is looked up stands in scripts/lib.
import os
import sys
from pathlib import Path

# This checkout. Not workflow.basedir, which is the importer's where this is a module.
BASE = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(BASE))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from scripts.lib.io import schema
from scripts.lib.study import claims_plan, datasets, endings, experiment_params, places
from scripts.lib.study import figures_plan
from scripts.lib.study.inputs import Inputs, KERAS_RUN, RUN, numbered, of_all_folds
from scripts.lib.study.kinds import convolutions, diagnostics, keras_peer, ladder
from scripts.lib.study.params import (
    StudyParams,
    above,
    code,
    megabytes,
    run_of,
    runs_above,
)
from scripts.lib.study.params import stem_of, wildcards_of
from scripts.lib.study.study import load_study
from scripts.lib.study.targets import SUMMARY, Targets

places.prepare()
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
        used=places.used_before(),
    )
    STUDY.check_folders()
except (ValueError, OSError) as error:
    raise WorkflowError(str(error)) from None
if places.warning():
    logger.warning(places.warning())
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
# Files are sent to a storage, and lie on no disk that the whole run sees.
STORED = workflow.storage_settings.default_storage_provider is not None
# What the user is told that files are below; their paths are added.
PLACE = f"{workflow.storage_settings.default_storage_prefix}/" if STORED else ""
# Resources of what computes on the device. Missing rather than 0, which Kubernetes takes
# for a GPU asked for.
GPU = {"gpu": STUDY.gpus} if STUDY.gpus else {}
INPUTS = Inputs(STUDY, stored=STORED, local=local)
PARAMS = StudyParams(INPUTS, workflow)
TARGETS = Targets(INPUTS)


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    augmentation="[A-Za-z0-9_-]+",
    experiment="[A-Za-z0-9_-]+",
    variant="[A-Za-z0-9_-]+",
    protocol="[A-Za-z0-9_-]+",
    task="regression|classification",
    target=r"[a-z0-9_+]+",
    seed=r"\d+",
