# Needs:  the drawings' names, or labels.csv
# Makes:  results/data/DATASET/{labels,rejected}.csv

LABEL_RULES = ("columns", "keep", "require", "exclude", "similar_names")


rule labels:
    """Read the labels; list every name that cannot be used, with the reason."""
    input:
        sources=INPUTS.label_sources,
    output:
        labels="results/data/{dataset}/labels.csv",
        rejected="results/data/{dataset}/rejected.csv",
    log:
        "logs/labels/{dataset}.log",
    group:
        PARAMS.group("data")
    params:
        code=PARAMS.reading("labels"),
        config=PARAMS.dataset("title", "kind", "factors", *LABEL_RULES),
        folder=PARAMS.raw_folder,
        names=lambda wc: STUDY.digest(INPUTS.names(wc)),
        unnamed=INPUTS.unnamed_labels,
    message:
        "read the labels of {wildcards.dataset}"
    shell:
        "python -m scripts.labels"
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " --folder {params.folder:q}"
        " --labels {output.labels:q} --rejected {output.rejected:q} 2> >(tee {log:q} >&2)"
