# Needs:  images, labels, the set's own split; the rungs of a ladder
# Makes:  results/runs/RUNG/rung/official/seedK/fold0/{history,gradients,predictions}.csv, ...

LADDER_RUN = RUN.replace("{experiment}", "{rung}").replace("{variant}", ladder.VARIANT)
LADDER_FOLD = f"{LADDER_RUN}/fold0"
RUNGS = [r for group in ladder.groups(STUDY) for r in ladder.trained(STUDY, group)]


def rung_data(name):
    """An input function: a file of the data set that the job's rung runs on."""
    return lambda wc: (
        f"results/data/{ladder.dataset_of(STUDY, wc.rung)}/{name.format(**wc)}"
    )


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
        mem_mb=4000,
    params:
        code=code("train"),
        task=lambda wc: ladder.task(STUDY, wc.rung),
        name=lambda wc: STUDY.configs.experiments[wc.rung]["model"],
        model=lambda wc: STUDY.part(
            "models", STUDY.configs.experiments[wc.rung]["model"]
        ),
        device=STUDY.device,
        # Checkpoints lie beside the outputs, which Snakemake deletes if a job fails.
        folder=LADDER_RUN,
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
        mem_mb=2500,
    params:
        code=code("rung_scores"),
        task=lambda wc: ladder.task(STUDY, wc.rung),
        device=STUDY.device,
        folder=LADDER_RUN,
    message:
        "score {wildcards.rung}, seed {wildcards.seed}"
    shell:
        "python -m scripts.rung_scores --augmented {input.learn:q} --test {input.test:q}"
        " --labels {input.labels:q} --folds {input.folds:q}"
        " --experiment-json {params.task:q} --seed {wildcards.seed}"
        " --device {params.device:q} --threads {threads}"
        " --folder {params.folder:q} 2> {log:q}"
