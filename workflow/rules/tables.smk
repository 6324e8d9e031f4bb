# Needs:  the metrics of all trainings of an experiment, and the trivial baselines
# Makes:  results/tables/EXPERIMENT.{csv,md,tex}


rule table:
    """Put the published numbers beside ours; csv, Markdown and LaTeX from one source."""
    input:
        metrics=lambda wc: trainings_of(wc.experiment, "metrics.json"),
        training=lambda wc: trainings_of(wc.experiment, "training.json"),
        baselines=lambda wc: sorted(
            {
                STUDY.baselines_of(wc.experiment, variant, protocol)
                for variant, protocol in STUDY.runs_of(wc.experiment)
                if STUDY.experiments[wc.experiment].get("baselines", True)
            }
        ),
        source=data_of("source.json"),
        labels=data_of("labels.csv"),
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
        experiment="|".join(STUDY.trained) or "none-is-chosen",
    params:
        code=code("tables"),
        experiment=lambda wc: described.experiment_json(STUDY, wc.experiment),
        runs=runs_above("metrics"),
        baselines=lambda wc, input: f"{above(input.labels, 1)}/baselines",
        stem=stem_of,
    message:
        "table of {wildcards.experiment}"
    shell:
        "python -m scripts.tables --experiment-json {params.experiment:q}"
        " --runs {params.runs:q} --baselines {params.baselines:q} --source {input.source:q}"
        " --labels {input.labels:q} --output-stem {params.stem:q} 2> {log:q}"
