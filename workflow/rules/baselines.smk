# Needs:  images, copies, labels, folds
# Makes:  results/runs/EXPERIMENT/VARIANT/PROTOCOL/baselines.csv


rule baselines:
    """Score chance, majority, nearest neighbour and a linear model on the same folds."""
    input:
        labels=data_of("labels.csv"),
        augmented=augmented_of,
        folds=folds_of,
    output:
        "results/runs/{experiment}/{variant}/{protocol}/baselines.csv",
    log:
        "logs/baselines/{experiment}/{variant}/{protocol}.log",
    threads: 1
    params:
        code=code("baselines"),
        protocol=lambda wc: STUDY.part("protocols", wc.protocol, "labels", "reported"),
        target=lambda wc: "+".join(STUDY.variant(wc.experiment, wc.variant)["target"]),
        task=lambda wc: STUDY.variant(wc.experiment, wc.variant)["task"],
    message:
        "trivial baselines of {wildcards.experiment}"
        " {wildcards.variant} under {wildcards.protocol}"
    shell:
        "python -m scripts.baselines --augmented {input.augmented:q}"
        " --labels {input.labels:q} --folds {input.folds:q}"
        ' --protocol "$IGNETLAB_CONFIG"/protocols/{wildcards.protocol}.yaml'
        " --target {params.target:q} --task {params.task}"
        " --output {output:q} 2> {log:q}"
