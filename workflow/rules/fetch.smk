# Needs:  the data set's configuration; the drawings in data_dir, or nothing
# Makes:  results/data/DATASET/source.json, and the embedded set's drawings
# Local data stays where it is.


rule fetch_local:
    """Write down where a data set in data_dir comes from."""
    output:
        source="results/data/{dataset}/source.json",
    log:
        "logs/fetch/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(STUDY.local) or "none-is-at-hand",
    params:
        code=code("fetch"),
        config=dataset_part("title", "status", "kind", "address", "licence"),
        folder=folder_of,
    message:
        "look at {wildcards.dataset}"
    shell:
        "python -m scripts.fetch"
        ' --dataset "$IGNETLAB_CONFIG"/datasets/{wildcards.dataset}.yaml'
        " --folder {params.folder:q} --source {output.source:q} 2> {log:q}"


for name in STUDY.generated:

    rule:
        name:
            f"fetch_{name.replace('-', '_')}"
        output:
            source=f"results/data/{name}/source.json",
            drawings=[
                f"results/data/{name}/raw/{file}"
                for file in datasets.generated_files(STUDY.datasets[name])
            ],
        log:
            f"logs/fetch/{name}.log",
        params:
            code=code("fetch"),
            config=STUDY.part(
                "datasets",
                name,
                "title",
                "status",
                "kind",
                "address",
                "licence",
                "embedded",
            ),
            name=name,
            folder=lambda wc, output: str(Path(output.drawings[0]).parent),
            stands_in=STUDY.stand_in_arguments(name),
        message:
            f"draw {name}"
        shell:
            "python -m scripts.fetch"
            ' --dataset "$IGNETLAB_CONFIG"/datasets/{params.name}.yaml'
            " --folder {params.folder:q} --source {output.source:q} {params.stands_in}"
            " 2> {log:q}"
