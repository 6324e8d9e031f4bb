# Needs:  augmented copies, labels, folds
# Makes:  results/data/DATASET/audit/AUGMENTATION/PROTOCOL.json,
#         results/tables/leak_audit.{csv,md,tex}, results/figures/DATASET-duplicates.png


rule audit:
    """Look for what scored rows share with what was seen before; fail where none may."""
    input:
        labels="results/data/{dataset}/labels.csv",
        augmented=INPUTS.augmented,
        folds="results/data/{dataset}/folds/{protocol}.json",
    output:
        "results/data/{dataset}/audit/{augmentation}/{protocol}.json",
    log:
        "logs/audit/{dataset}/{augmentation}/{protocol}.log",
    group:
        PARAMS.group("data")
    threads: 1
    resources:
        mem_mb=megabytes(1000),  # 225 at `demo`
        runtime=PARAMS.minutes(5, 10, 10, 60),
    params:
        code=code("audit"),
        protocol=lambda wc: STUDY.part(
            "protocols", wc.protocol, "unit", "leaks", "weights", "reported"
        ),
    message:
        "audit {wildcards.protocol} on {wildcards.dataset},"
        " copies by {wildcards.augmentation}"
    shell:
        "python -m scripts.audit --augmented {input.augmented:q}"
        " --labels {input.labels:q} --folds {input.folds:q}"
        " --protocol-json {params.protocol:q} --output {output:q}"
        " 2> >(tee {log:q} >&2)"


rule leak_audit:
    """Put what every protocol that is run shares between its sides into one table."""
    input:
        audits=INPUTS.audits(),
        sources=INPUTS.sources(INPUTS.audited()),
    output:
        csv=report(
            "results/tables/leak_audit.csv",
            caption="../report/audit.rst",
            category="The leak",
            labels={"experiment": "all"},
        ),
        others=multiext("results/tables/leak_audit", ".md", ".tex"),
    log:
        "logs/tables/leak_audit.log",
    group:
        PARAMS.group("tables")
    params:
        code=code("audit_table"),
        scale=STUDY.scale,
        stem=stem_of,
    message:
        "table of the leak audit"
    shell:
        "python -m scripts.audit_table --audits {input.audits:q}"
        " --sources {input.sources:q} --scale {params.scale}"
        " --output-stem {params.stem:q} 2> {log:q}"


rule duplicates:
    """Show the drawings of a data set that look most alike."""
    input:
        images="results/data/{dataset}/images.npz",
        labels="results/data/{dataset}/labels.csv",
        source="results/data/{dataset}/source.json",
    output:
        report(
            "results/figures/{dataset}-duplicates.png",
            caption="../report/duplicates.rst",
            category="The leak",
            labels={"experiment": "{dataset}"},
        ),
    log:
        "logs/figures/{dataset}-duplicates.log",
    wildcard_constraints:
        # Not DATASET-near, whose picture ends alike.
        dataset="|".join(STUDY.datasets),
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
    message:
        "show the drawings of {wildcards.dataset} that look most alike"
    shell:
        "python -m scripts.figures duplicates --images {input.images:q}"
        " --labels {input.labels:q} --source {input.source:q} --output {output:q}"
        " 2> {log:q}"
