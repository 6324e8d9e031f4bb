# Needs:  images, labels, the set's own split; the rungs of a ladder
# Makes:  results/runs/RUNG/rung/official/seedK/fold0/{history,gradients,predictions}.csv, ...
#         results/data/DATASET/near_duplicates/PROTOCOL.{csv,json,npz},
#         results/figures/DATASET-near-duplicates.png


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
    params:
        code=code("parts"),
    message:
        "take the test images of {wildcards.dataset} apart"
    shell:
        "python -m scripts.parts --images {input.images:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --learn {output.learn:q} --test {output.test:q}"
        " 2> {log:q}"


rule train_rung:
    """Train one rung; the best and the last network are kept."""
    input:
        labels=rung_data("labels.csv"),
        learn=rung_data("parts/{protocol}/learn.npz"),
        folds=rung_data("folds/{protocol}.json"),
    output:
        history=f"{LADDER_FOLD}/history.csv",
        gradients=f"{LADDER_FOLD}/gradients.csv",
        training=f"{LADDER_FOLD}/training.json",
        best=f"{LADDER_FOLD}/model.npz",
        last=f"{LADDER_FOLD}/last.npz",
    log:
        "logs/train/{rung}/{protocol}/seed{seed}.log",
    benchmark:
        "logs/benchmark/train/{rung}/{protocol}/seed{seed}.tsv"
    wildcard_constraints:
        rung="|".join(RUNGS) or "none-is-chosen",
    # Hours of work that threads share well; the bytes do not depend on their number.
    threads: 8
    resources:
        **GPU,
        # At `demo` 1110 MB and 86 s of two cores; VGG-08 on all images 1370 MB.
        mem_mb=megabytes(4000),
        runtime=minutes(10, 15, 120, 960),
    params:
        code=code("train"),
        task=lambda wc: ladder.task(STUDY, wc.rung),
        name=lambda wc: STUDY.configs.experiments[wc.rung]["model"],
        model=lambda wc: STUDY.part(
            "models", STUDY.configs.experiments[wc.rung]["model"]
        ),
        device=STUDY.device,
        folder=run_of,
    message:
        "train {wildcards.rung}, seed {wildcards.seed}"
    shell:
        "python -m scripts.train --labels {input.labels:q}"
        " --augmented {input.learn:q} --folds {input.folds:q}"
        ' --model "$IGNETLAB_CONFIG"/models/{params.name}.yaml'
        " --experiment-json {params.task:q} --seed {wildcards.seed}"
        " --device {params.device:q} --threads {threads} --watch"
        " --folder {params.folder:q} 2> >(tee {log:q} >&2)"


rule rung_scores:
    """Score a rung; the only rule that reads the test part of a ladder."""
    input:
        labels=rung_data("labels.csv"),
        learn=rung_data("parts/{protocol}/learn.npz"),
        test=rung_data("parts/{protocol}/test.npz"),
        folds=rung_data("folds/{protocol}.json"),
        networks=[f"{LADDER_FOLD}/model.npz", f"{LADDER_FOLD}/last.npz"],
    output:
        metrics=f"{LADDER_FOLD}/metrics.json",
        predictions=f"{LADDER_FOLD}/predictions.csv",
    log:
        "logs/evaluate/{rung}/{protocol}/seed{seed}.log",
    wildcard_constraints:
        rung="|".join(RUNGS) or "none-is-chosen",
    threads: 8
    resources:
        **GPU,
        mem_mb=megabytes(2500),
        runtime=minutes(5, 10, 20, 20),
    params:
        code=code("rung_scores"),
        task=lambda wc: ladder.task(STUDY, wc.rung),
        device=STUDY.device,
        folder=run_of,
    message:
        "score {wildcards.rung}, seed {wildcards.seed}"
    shell:
        "python -m scripts.rung_scores --augmented {input.learn:q} --test {input.test:q}"
        " --labels {input.labels:q} --folds {input.folds:q}"
        " --experiment-json {params.task:q} --seed {wildcards.seed}"
        " --device {params.device:q} --threads {threads}"
        " --folder {params.folder:q} 2> {log:q}"


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
        runtime=minutes(5, 10, 30, 30),
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
        found=lambda wc: f"{near_duplicates_of(wc.dataset)}.json",
        pairs=lambda wc: f"{near_duplicates_of(wc.dataset)}.npz",
        source="results/data/{dataset}/source.json",
    output:
        report(
            "results/figures/{dataset}-near-duplicates.png",
            caption="../report/near_duplicates.rst",
            category="The leak",
            labels={"experiment": "{dataset}"},
        ),
    log:
        "logs/figures/{dataset}-near-duplicates.log",
    wildcard_constraints:
        dataset="|".join(ladder_splits()) or "none-is-chosen",
    params:
        code=code("figures"),
        scale=STUDY.scale,
    message:
        "show near-duplicates of {wildcards.dataset}"
    shell:
        "python -m scripts.figures near-duplicates --found {input.found:q}"
        " --pairs {input.pairs:q} --source {input.source:q} --scale {params.scale}"
        " --output {output:q} 2> {log:q}"
