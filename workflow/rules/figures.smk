# Needs:  histories, augmented copies, tables
# Makes:  results/figures/*.png


rule profiles:
    """Draw learning profiles as S0's Figs. 6 and 8: one picture per experiment."""
    input:
        history=lambda wc: trainings_of(wc.experiment, "history.csv"),
        source=data_of("source.json"),
    output:
        report(
            "results/figures/{experiment}-profiles.png",
            caption="../report/profiles.rst",
            category="Learning profiles",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/figures/{experiment}-profiles.log",
    wildcard_constraints:
        experiment="|".join(STUDY.trained) or "none-is-chosen",
    params:
        code=code("figures"),
        experiment=lambda wc: STUDY.experiment_json(wc.experiment),
    message:
        "draw learning profiles of {wildcards.experiment}"
    shell:
        "python -m scripts.figures profiles --experiment-json {params.experiment:q}"
        " --runs results/runs --source {input.source:q} --output {output:q}"
        " 2> {log:q}"


rule augmentation_sheet:
    """Show a few drawings and their copies, as S0's Fig. 3."""
    input:
        augmented=augmented_of,
        source=data_of("source.json"),
    output:
        report(
            "results/figures/{experiment}-augmentation.png",
            caption="../report/augmentation.rst",
            category="Augmentation",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/figures/{experiment}-augmentation.log",
    wildcard_constraints:
        experiment="|".join(STUDY.trained) or "none-is-chosen",
    params:
        code=code("figures"),
        experiment=lambda wc: STUDY.experiment_json(wc.experiment),
    message:
        "show augmented copies of {wildcards.experiment}"
    shell:
        "python -m scripts.figures augmentation"
        " --experiment-json {params.experiment:q} --augmented {input.augmented:q}"
        " --source {input.source:q} --output {output:q} 2> {log:q}"


rule leak:
    """Show the paper's protocol beside the leak-free one, for all variants."""
    input:
        tables=[f"results/tables/{name}.csv" for name in STUDY.trained],
    output:
        report(
            "results/figures/leak.png",
            caption="../report/leak.rst",
            category="The leak",
            labels={"experiment": "all"},
        ),
    log:
        "logs/figures/leak.log",
    params:
        code=code("figures"),
    message:
        "draw what the leak is worth"
    shell:
        "python -m scripts.figures leak --table {input.tables:q} --output {output:q}"
        " 2> {log:q}"
