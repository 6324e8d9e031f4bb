# Needs:  images.npz, labels.csv, an augmentation recipe
# Makes:  results/data/DATASET/augmented/AUGMENTATION.npz


rule augment:
    """Make each drawing's copies; every copy knows its drawing and its child."""
    input:
        images="results/data/{dataset}/images.npz",
        labels="results/data/{dataset}/labels.csv",
    output:
        "results/data/{dataset}/augmented/{augmentation}.npz",
    log:
        "logs/augment/{dataset}/{augmentation}.log",
    group:
        PARAMS.group("data")
    threads: 1
    params:
        code=code("augment"),
        recipe=lambda wc: STUDY.part("augmentations", wc.augmentation, "steps"),
        copies=lambda wc: STUDY.copies_of(wc.augmentation),
        scale=lambda wc: STUDY.augmentation_scale(wc.augmentation),
        seed=lambda wc: STUDY.augmentations[wc.augmentation]["seed"],
    message:
        "augment {wildcards.dataset} by {wildcards.augmentation}"
    shell:
        "python -m scripts.augment --images {input.images:q} --labels {input.labels:q}"
        ' --recipe "$IGNETLAB_CONFIG"/augmentations/{wildcards.augmentation}.yaml'
        " --scale {params.scale} --seed {params.seed}"
        " --threads {threads} --output {output:q} 2> {log:q}"
