# ignetlab: honest reproductions of small-data CNN studies.
#
#   snakemake --cores 2                     everything in config/config.yaml, and the report
#   snakemake --cores 2 xor                 one experiment: its tables and figures
#   snakemake --cores 2 --config scale=smoke data_dir=DIR
#
# raw -> labels -> images -> folds, augmented copies -> training -> metrics -> tables and
# figures -> report. Rules say what runs on what; what it does stands in scripts/ and engine/.
from snakemake.utils import min_version

min_version("9.20")


configfile: f"{workflow.current_basedir}/config/config.yaml"


# Only with --sdm apptainer: built beforehand by workflow/container.def.
container: "ignetlab.sif"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/augment.smk"
include: "workflow/rules/folds.smk"
include: "workflow/rules/parts.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/estimate.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/ladder.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/diagnostics.smk"
include: "workflow/rules/xor.smk"
include: "workflow/rules/conv_study.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/keras_peer.smk"
include: "workflow/rules/benchmark.smk"


rule all:
    default_target: True
    input:
        TARGETS.all() if STORED else "results/report/report.html",
    localrule: True


rule results:
    input:
        TARGETS.all(),
    localrule: True


onstart:
    print("\n".join(endings.opening_lines(STUDY)))


onsuccess:
    print("\n".join(endings.closing_lines(STUDY, workflow, PLACE)))


onerror:
    endings.note_what_is_out_of_date(workflow)
    print(
        f"Some jobs failed: their logs are below {PLACE}logs/; what is done is kept."
    )
