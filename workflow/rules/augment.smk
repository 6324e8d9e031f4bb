# Needs:  images.npz, labels.csv, an augmentation recipe
# Makes:  results/data/DATASET/augmented/AUGMENTATION.npz


rule augment:
    """Make each drawing's copies; every copy knows its drawing and its child."""
    input:
        images="results/data/{dataset}/images.npz",
        labels="results/data/{dataset}/labels.csv",
        recipe=lambda wc: config_file("augmentations", wc.augmentation),
    output:
        "results/data/{dataset}/augmented/{augmentation}.npz",
    log:
        "logs/augment/{dataset}/{augmentation}.log",
    threads: 1
    params:
        code=code("augment"),
        scale=lambda wc: STUDY.augmentation_scale(wc.augmentation),
        seed=lambda wc: STUDY.augmentations[wc.augmentation]["seed"],
    message:
        "augment {wildcards.dataset} by {wildcards.augmentation}"
    shell:
        "python -m scripts.augment --images {input.images:q} --labels {input.labels:q}"
        " --recipe {input.recipe:q} --scale {params.scale} --seed {params.seed}"
        " --threads {threads} --output {output:q} 2> {log:q}"
