# Needs:  histories, predictions, augmented copies, tables
# Makes:  results/figures/*.png


rule profiles:
    """Draw learning profiles as S0's Figs. 6 and 8; with many variants on sheets."""
    input:
        history=INPUTS.profiled,
        source=INPUTS.data("source.json"),
    output:
        report(
            "results/figures/{experiment}-profiles{sheet}.png",
            caption="../report/profiles.rst",
            category="Learning profiles",
            labels={"experiment": "{experiment}{sheet}"},
        ),
    log:
        "logs/figures/{experiment}-profiles{sheet}.log",
    wildcard_constraints:
        experiment="|".join(STUDY.of_kind("training")) or "none-is-chosen",
        sheet="(-[A-Za-z0-9_]+)?",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=lambda wc: figures_plan.profiles_json(STUDY, wc.experiment, wc.sheet),
        runs=runs_above("history"),
    message:
        "draw learning profiles of {wildcards.experiment}{wildcards.sheet}"
    shell:
        "python -m scripts.figures profiles --about-json {params.about:q}"
        " --runs {params.runs:q} --source {input.source:q} --output {output:q}"
        " 2> {log:q}"


rule augmentation_sheet:
    """Show a few drawings and their copies, as S0's Fig. 3."""
    input:
        augmented=INPUTS.copies,
        source=INPUTS.data("source.json"),
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
        experiment="|".join(STUDY.of_kind("training")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=lambda wc: figures_plan.augmentation_json(STUDY, wc.experiment),
    message:
        "show augmented copies of {wildcards.experiment}"
    shell:
        "python -m scripts.figures augmentation --about-json {params.about:q}"
        " --augmented {input.augmented:q} --source {input.source:q}"
        " --output {output:q} 2> {log:q}"


rule samples:
    """Show drawings of the test parts with their ages and those that are told."""
    input:
        predictions=INPUTS.sampled,
        images=INPUTS.data("images.npz"),
        source=INPUTS.data("source.json"),
    output:
        report(
            "results/figures/{experiment}-samples.png",
            caption="../report/samples.rst",
            category="Samples",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/figures/{experiment}-samples.log",
    wildcard_constraints:
        experiment="|".join(figures_plan.having(STUDY, "samples")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=lambda wc: figures_plan.samples_json(STUDY, wc.experiment),
        runs=runs_above("predictions"),
    message:
        "show what {wildcards.experiment} tells of a few drawings"
    shell:
        "python -m scripts.figures samples --about-json {params.about:q} --number 18"
        " --runs {params.runs:q} --images {input.images:q} --source {input.source:q}"
        " --output {output:q} 2> {log:q}"


rule depths:
    """Draw scores over the levels of a factor, such as depth, under each protocol."""
    input:
        "results/tables/{experiment}.csv",
    output:
        report(
            "results/figures/{experiment}-depths.png",
            caption="../report/depths.rst",
            category="Depths",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/figures/{experiment}-depths.log",
    wildcard_constraints:
        experiment="|".join(figures_plan.having(STUDY, "depths")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=lambda wc: figures_plan.depths_json(STUDY, wc.experiment),
    message:
        "draw scores over the levels of {wildcards.experiment}"
    shell:
        "python -m scripts.figures depths --about-json {params.about:q}"
        " --table {input:q} --output {output:q} 2> {log:q}"


rule noise_map:
    """Draw scores over the level and the portion of the noise in the copies."""
    input:
        "results/tables/{experiment}.csv",
    output:
        report(
            "results/figures/{experiment}-noise.png",
            caption="../report/noise.rst",
            category="Augmentation",
            labels={"experiment": "{experiment}, by level and portion"},
        ),
    log:
        "logs/figures/{experiment}-noise.log",
    wildcard_constraints:
        experiment="|".join(figures_plan.having(STUDY, "noise")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=lambda wc: figures_plan.noise_json(STUDY, wc.experiment),
    message:
        "draw scores over the noise of {wildcards.experiment}"
    shell:
        "python -m scripts.figures noise --about-json {params.about:q}"
        " --table {input:q} --output {output:q} 2> {log:q}"


rule leak:
    """Show the paper's protocol beside the leak-free one, and their controls."""
    input:
        tables=[f"results/tables/{name}.csv" for name in figures_plan.having(STUDY, "leak")],
    output:
        report(
            "results/figures/leak.png",
            caption="../report/leak.rst",
            category="The leak",
            labels={"experiment": "all"},
        ),
    log:
        "logs/figures/leak.log",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        about=figures_plan.leak_json(STUDY),
    message:
        "draw what the leak is worth"
    shell:
        "python -m scripts.figures leak --about-json {params.about:q}"
        " --table {input.tables:q} --output {output:q} 2> {log:q}"
