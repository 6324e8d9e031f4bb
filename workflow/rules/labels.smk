# Needs:  the drawings' names, or labels.csv
# Makes:  results/data/DATASET/{labels,rejected}.csv

LABEL_RULES = ("columns", "keep", "require", "exclude", "similar_names")


rule labels:
    """Read the labels; list every name that cannot be used, with the reason."""
    input:
        sources=label_sources,
    output:
        labels="results/data/{dataset}/labels.csv",
        rejected="results/data/{dataset}/rejected.csv",
    log:
        "logs/labels/{dataset}.log",
    params:
        code=code("labels"),
        config=dataset_part("title", "kind", "factors", *LABEL_RULES),
        folder=raw_of,
        names=lambda wc: STUDY.digest(names_of(wc)),
        unnamed=unnamed_label_files,
    message:
        "read the labels of {wildcards.dataset}"
    shell:
        "python -m scripts.labels"
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " --folder {params.folder:q}"
        " --labels {output.labels:q} --rejected {output.rejected:q} 2> >(tee {log:q} >&2)"
