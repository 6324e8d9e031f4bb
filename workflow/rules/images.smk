# Needs:  labels.csv and the drawings themselves
# Makes:  results/data/DATASET/images.npz, unreadable.csv


rule images:
    """Shrink the drawings to one array of small grey images."""
    input:
        labels="results/data/{dataset}/labels.csv",
        raw=INPUTS.raw,
    output:
        images="results/data/{dataset}/images.npz",
        unreadable="results/data/{dataset}/unreadable.csv",
    log:
        "logs/images/{dataset}.log",
    cache: CACHED
    group:
        PARAMS.group("data")
    threads: 1
    params:
        wildcards=wildcards_of,
        code=PARAMS.reading("images"),
        unnamed=INPUTS.unnamed_raw,
        config=PARAMS.dataset("title", "image"),
        folder=PARAMS.raw_folder,
    message:
        "shrink the drawings of {wildcards.dataset}"
    shell:
        "python -m scripts.images"
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " --folder {params.folder:q}"
        " --labels {input.labels:q} --images {output.images:q}"
        " --unreadable {output.unreadable:q} --threads {threads} 2> {log:q}"
