# Needs:  what the rungs of a ladder left; near-duplicates between its parts
# Makes:  results/tables/{GROUP,GROUP_pairs}.{csv,md,tex},
#         results/figures/GROUP-{curves,accuracy,confusion,gradients}.png


rule ladder_table:
    """Put the published accuracies of all rungs beside ours, with what they cost."""
    input:
        metrics=INPUTS.ladder_runs("metrics.json"),
        predictions=INPUTS.ladder_runs("predictions.csv"),
        history=INPUTS.ladder_runs("history.csv"),
        records=INPUTS.ladder_runs("records.csv"),
        training=INPUTS.ladder_runs("training.json"),
        alike=lambda wc: f"{INPUTS.near_duplicates(wc.group)}.csv",
        source=INPUTS.ladder_data("source.json"),
    output:
        csv=report(
            "results/tables/{group}.csv",
            caption="../report/ladder_table.rst",
            category="Tables",
            labels={"experiment": "{group}"},
        ),
        others=multiext("results/tables/{group}", ".md", ".tex"),
    log:
        "logs/tables/{group}.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_table"),
        about=lambda wc: ladder.ladder_json(STUDY, wc.group),
        runs=runs_above("metrics"),
        stem=stem_of,
    message:
        "table of the ladder {wildcards.group}"
    shell:
        "python -m scripts.ladder_table --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q} --near-duplicates {input.alike:q}"
        " --output-stem {params.stem:q} 2> {log:q}"


rule ladder_pairs:
    """Compare neighbouring rungs on the same test images."""
    input:
        predictions=INPUTS.ladder_runs("predictions.csv"),
        source=INPUTS.ladder_data("source.json"),
    output:
        csv=report(
            "results/tables/{group}_pairs.csv",
            caption="../report/ladder_pairs.rst",
            category="Tables",
            labels={"experiment": "{group}, neighbouring rungs"},
        ),
        others=multiext("results/tables/{group}_pairs", ".md", ".tex"),
    log:
        "logs/tables/{group}_pairs.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_pairs"),
        about=lambda wc: ladder.ladder_json(STUDY, wc.group),
        runs=runs_above("predictions"),
        stem=stem_of,
    message:
        "compare neighbouring rungs of {wildcards.group}"
    shell:
        "python -m scripts.ladder_pairs --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q}"
        " --output-stem {params.stem:q} 2> {log:q}"


rule ladder_curves:
    """Draw accuracy over the passes of each rung, as S4's figures."""
    input:
        history=INPUTS.ladder_runs("history.csv"),
        records=INPUTS.ladder_runs("records.csv"),
        metrics=INPUTS.ladder_runs("metrics.json"),
        source=INPUTS.ladder_data("source.json"),
    output:
        report(
            "results/figures/{group}-curves.png",
            caption="../report/ladder_curves.rst",
            category="The ladder",
            labels={"experiment": "{group}", "figure": "learning curves"},
        ),
    log:
        "logs/figures/{group}-curves.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_figures"),
        about=lambda wc: ladder.ladder_json(STUDY, wc.group),
        runs=runs_above("history"),
    message:
        "draw learning curves of {wildcards.group}"
    shell:
        "python -m scripts.ladder_figures curves --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q}"
        " --output {output:q} 2> {log:q}"


rule ladder_accuracy:
    """Draw test accuracy over parameters and over time."""
    input:
        "results/tables/{group}.csv",
    output:
        report(
            "results/figures/{group}-accuracy.png",
            caption="../report/ladder_accuracy.rst",
            category="The ladder",
            labels={"experiment": "{group}", "figure": "accuracy and cost"},
        ),
    log:
        "logs/figures/{group}-accuracy.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_figures"),
    message:
        "draw what accuracy costs on {wildcards.group}"
    shell:
        "python -m scripts.ladder_figures accuracy --table {input:q}"
        " --output {output:q} 2> {log:q}"


rule ladder_confusion:
    """Draw which superclass the last rung takes for which."""
    input:
        predictions=INPUTS.ladder_runs("predictions.csv"),
        labels=INPUTS.ladder_data("labels.csv"),
        source=INPUTS.ladder_data("source.json"),
    output:
        report(
            "results/figures/{group}-confusion.png",
            caption="../report/ladder_confusion.rst",
            category="The ladder",
            labels={"experiment": "{group}", "figure": "confusion"},
        ),
    log:
        "logs/figures/{group}-confusion.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_figures"),
        about=lambda wc: ladder.ladder_json(STUDY, wc.group),
        runs=runs_above("predictions"),
    message:
        "draw what the last rung of {wildcards.group} takes for what"
    shell:
        "python -m scripts.ladder_figures confusion --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q}"
        " --labels {input.labels:q}"
        " --output {output:q} 2> {log:q}"


rule ladder_gradients:
    """Draw the derivatives of the weights from layer to layer."""
    input:
        records=INPUTS.ladder_runs("records.csv"),
        source=INPUTS.ladder_data("source.json"),
    output:
        report(
            "results/figures/{group}-gradients.png",
            caption="../report/ladder_gradients.rst",
            category="The ladder",
            labels={"experiment": "{group}", "figure": "derivatives"},
        ),
    log:
        "logs/figures/{group}-gradients.log",
    wildcard_constraints:
        group="|".join(ladder.groups(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("ladder_figures"),
        about=lambda wc: ladder.ladder_json(STUDY, wc.group),
        runs=runs_above("records"),
    message:
        "draw how derivatives fare through the layers of {wildcards.group}"
    shell:
        "python -m scripts.ladder_figures gradients --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q}"
        " --output {output:q} 2> {log:q}"
