# Needs:  labels.csv and the drawings themselves
# Makes:  results/data/DATASET/images.npz, unreadable.csv


rule images:
    """Shrink the drawings to one array of small grey images."""
    input:
        labels="results/data/{dataset}/labels.csv",
        drawings=drawings_of,
    output:
        images="results/data/{dataset}/images.npz",
        unreadable="results/data/{dataset}/unreadable.csv",
    log:
        "logs/images/{dataset}.log",
    cache: CACHED
    threads: 1
    params:
        wildcards=wildcards_of,
        code=code("images"),
        unnamed=unnamed_drawings,
        config=dataset_part("title", "image"),
        folder=raw_of,
    message:
        "shrink the drawings of {wildcards.dataset}"
    shell:
        "python -m scripts.images"
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " --folder {params.folder:q}"
        " --labels {input.labels:q} --images {output.images:q}"
        " --unreadable {output.unreadable:q} --threads {threads} 2> {log:q}"
