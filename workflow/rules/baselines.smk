# Needs:  images, copies, labels, folds
# Makes:  results/data/DATASET/baselines/AUGMENTATION/PROTOCOL/TASK-TARGET.json


rule baselines:
    """Score chance, majority, nearest neighbour and a linear model on the same folds."""
    input:
        labels="results/data/{dataset}/labels.csv",
        augmented=INPUTS.augmented,
        folds="results/data/{dataset}/folds/{protocol}.json",
    output:
        "results/data/{dataset}/baselines/{augmentation}/{protocol}/{task}-{target}.json",
    log:
        "logs/baselines/{dataset}/{augmentation}/{protocol}/{task}-{target}.log",
    group:
        PARAMS.group("baselines")
    threads: 1
    resources:
        mem_mb=megabytes(1500),  # 360 at `demo`
        runtime=PARAMS.minutes(5, 10, 10, 60),
    params:
        code=code("baselines"),
        protocol=lambda wc: STUDY.part("protocols", wc.protocol, "labels", "reported"),
    message:
        "trivial baselines of {wildcards.dataset}: {wildcards.task} of"
        " {wildcards.target} under {wildcards.protocol}, copies by"
        " {wildcards.augmentation}"
    shell:
        "python -m scripts.baselines --augmented {input.augmented:q}"
        " --labels {input.labels:q} --folds {input.folds:q}"
        ' --protocol "$IGNETLAB_CONFIG"/protocols/{wildcards.protocol}.yaml'
        " --target {wildcards.target:q} --task {wildcards.task}"
        " --output {output:q} 2> {log:q}"
