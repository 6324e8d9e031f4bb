# Needs:  the metrics of all trainings of an experiment, and the trivial baselines
# Makes:  results/tables/EXPERIMENT.{csv,md,tex}


rule table:
    """Put the published numbers beside ours; csv, Markdown and LaTeX from one source."""
    input:
        metrics=lambda wc: INPUTS.trainings(wc.experiment, "metrics.json"),
        training=lambda wc: INPUTS.trainings(wc.experiment, "training.json"),
        baselines=lambda wc: INPUTS.baselines(wc.experiment),
        source=INPUTS.data("source.json"),
        labels=INPUTS.data("labels.csv"),
    output:
        csv=report(
            "results/tables/{experiment}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        others=multiext("results/tables/{experiment}", ".md", ".tex"),
    log:
        "logs/tables/{experiment}.log",
    wildcard_constraints:
        experiment="|".join(STUDY.of_kind("training")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("tables"),
        experiment=lambda wc: experiment_params.experiment_json(STUDY, wc.experiment),
        runs=runs_above("metrics"),
        baselines=lambda wc, input: f"{above(input.labels, 1)}/baselines",
        stem=stem_of,
    message:
        "table of {wildcards.experiment}"
    shell:
        "python -m scripts.tables --experiment-json {params.experiment:q}"
        " --runs {params.runs:q} --baselines {params.baselines:q} --source {input.source:q}"
        " --labels {input.labels:q} --output-stem {params.stem:q} 2> {log:q}"
