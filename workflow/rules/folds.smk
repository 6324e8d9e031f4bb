# Needs:  labels.csv, images.npz, a protocol, and its augmentation where rows are split
# Makes:  results/data/DATASET/folds/PROTOCOL.json


rule folds:
    """Deal the drawings, or their copies, to training, validation and test."""
    input:
        labels="results/data/{dataset}/labels.csv",
        images="results/data/{dataset}/images.npz",
    output:
        "results/data/{dataset}/folds/{protocol}.json",
    log:
        "logs/folds/{dataset}/{protocol}.log",
    cache: CACHED
    params:
        wildcards=wildcards_of,
        code=code("folds"),
        config=dataset_part("stratify"),
        protocol=lambda wc: STUDY.dealing(wc.protocol),
        scale=lambda wc: STUDY.protocol_scale(wc.protocol),
        augmentation=augmentation_option,
    message:
        "deal {wildcards.dataset} to folds under {wildcards.protocol}"
    shell:
        "python -m scripts.folds --labels {input.labels:q} --images {input.images:q}"
        ' --protocol "$IGNETLAB_CONFIG"/protocols/{wildcards.protocol}.yaml'
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " {params.augmentation} --scale {params.scale} --seed 0"
        " --output {output:q} 2> >(tee {log:q} >&2)"
