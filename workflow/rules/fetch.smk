# Needs:  the data set's configuration; the drawings in data_dir, a network, or nothing
# Makes:  results/data/DATASET/source.json, and files that are drawn or downloaded
# Local data stays where it is.


# The only rules that use a network. The archive, whole or in part, lies beside the
# outputs, which Snakemake deletes if a job fails or is to run again.
for name in sorted(STUDY.downloaded):

    rule:
        name:
            f"download_{name.replace('-', '_')}"
        output:
            **numbered(
                f"{datasets.raw_folder(name)}/{file}"
                for file in datasets.archive_files(STUDY.datasets[name])
            ),
        log:
            f"logs/download/{name}.log",
        cache: CACHED
        retries: 1
        # Nodes of a cluster often see no network.
        localrule: True
        params:
            code=code("download"),
            config=STUDY.part("datasets", name, "title", "folder", "archive"),
            name=name,
            folder=PARAMS.unpacked_in(name),
            archive=PARAMS.archive_of(name),
        message:
            f"download {name}"
        shell:
            "python -m scripts.download"
            ' --dataset "$IGNETLAB_CONFIG"/datasets/{params.name}.yaml'
            " --archive {params.archive:q} --folder {params.folder:q}"
            " 2> >(tee {log:q} >&2)"


# Not cached: what it says of a folder is soon said again.
rule fetch_local:
    """Write down where a data set comes from that lies in a folder."""
    input:
        files=INPUTS.downloaded,
    output:
        source="results/data/{dataset}/source.json",
    log:
        "logs/fetch/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(STUDY.local) or "none-is-at-hand",
    group:
        PARAMS.group("data")
    params:
        code=PARAMS.reading("fetch"),
        config=PARAMS.dataset("title", "status", "kind", "address", "licence"),
        folder=PARAMS.raw_folder,
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
            **numbered(
                f"{datasets.raw_folder(name)}/{file}"
                for file in INPUTS.made_files(name)
            ),
            source=f"results/data/{name}/source.json",
        log:
            f"logs/fetch/{name}.log",
        cache: CACHED
        group:
            PARAMS.group("data")
        params:
            code=PARAMS.code_of("fetch", name),
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
            folder=lambda wc, output: f"{above(output.source, 1)}/raw",
            stands_in=STUDY.stand_in_arguments(name),
        message:
            f"draw {name}"
        shell:
            "python -m scripts.fetch"
            ' --dataset "$IGNETLAB_CONFIG"/datasets/{params.name}.yaml'
            " --folder {params.folder:q} --source {output.source:q} {params.stands_in}"
            " 2> {log:q}"
