# Needs:  images, labels, the set's own split
# Makes:  results/data/DATASET/parts/PROTOCOL/{learn,test}.npz,
#         results/data/DATASET/near_duplicates/PROTOCOL.{csv,json,npz},
#         results/figures/DATASET[-PROTOCOL]-near-duplicates.png


rule official_parts:
    """Put the test images into a file that no training is given."""
    input:
        images="results/data/{dataset}/images.npz",
        labels="results/data/{dataset}/labels.csv",
        folds="results/data/{dataset}/folds/{protocol}.json",
    output:
        learn="results/data/{dataset}/parts/{protocol}/learn.npz",
        test="results/data/{dataset}/parts/{protocol}/test.npz",
    log:
        "logs/parts/{dataset}/{protocol}.log",
    group:
        PARAMS.group("data")
    params:
        code=code("parts"),
    message:
        "take the test images of {wildcards.dataset} apart"
    shell:
        "python -m scripts.parts --images {input.images:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --learn {output.learn:q} --test {output.test:q}"
        " 2> {log:q}"


rule near_duplicates:
    """Look which test images resemble images that were learned from."""
    input:
        learn="results/data/{dataset}/parts/{protocol}/learn.npz",
        test="results/data/{dataset}/parts/{protocol}/test.npz",
        labels="results/data/{dataset}/labels.csv",
    output:
        multiext(
            "results/data/{dataset}/near_duplicates/{protocol}",
            ".csv",
            ".json",
            ".npz",
        ),
    log:
        "logs/near_duplicates/{dataset}/{protocol}.log",
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=PARAMS.minutes(5, 10, 30, 30),
    params:
        code=code("near_duplicates"),
        target=lambda wc: STUDY.datasets[wc.dataset]["stratify"],
        stem=stem_of,
    message:
        "look for test images of {wildcards.dataset} that resemble training images"
    shell:
        "python -m scripts.near_duplicates --learn {input.learn:q} --test {input.test:q}"
        " --labels {input.labels:q} --target {params.target:q}"
        " --dataset {wildcards.dataset}"
        " --output-stem {params.stem:q} 2> {log:q}"


rule near_duplicates_sheet:
    """Show test images beside the training images that they resemble."""
    input:
        found=INPUTS.sheet(".json"),
        pairs=INPUTS.sheet(".npz"),
        source=INPUTS.sheet_source,
    output:
        report(
            "results/figures/{split}-near-duplicates.png",
            caption="../report/near_duplicates.rst",
            category="The leak",
            labels={"experiment": "{split}"},
        ),
    log:
        "logs/figures/{split}-near-duplicates.log",
    wildcard_constraints:
        split="|".join(ladder.sheets(STUDY)) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        scale=STUDY.scale,
    message:
        "show near-duplicates of {wildcards.split}"
    shell:
        "python -m scripts.figures near-duplicates --found {input.found:q}"
        " --pairs {input.pairs:q} --source {input.source:q} --scale {params.scale}"
        " --output {output:q} 2> {log:q}"
