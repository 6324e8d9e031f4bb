# Needs:  the drawings' names, or labels.csv
# Makes:  results/data/DATASET/{labels,rejected}.csv


rule labels:
    """Read the labels; list every name that cannot be used, with the reason."""
    input:
        sources=label_sources,
        config=lambda wc: config_file("datasets", wc.dataset),
    output:
        labels="results/data/{dataset}/labels.csv",
        rejected="results/data/{dataset}/rejected.csv",
    log:
        "logs/labels/{dataset}.log",
    params:
        code=code("labels"),
        folder=folder_of,
        names=lambda wc: STUDY.digest(drawings_of(wc)),
    message:
        "read the labels of {wildcards.dataset}"
    shell:
        "python -m scripts.labels --dataset {input.config:q} --folder {params.folder:q}"
        " --labels {output.labels:q} --rejected {output.rejected:q} 2> {log:q}"
