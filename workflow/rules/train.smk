# Needs:  augmented copies, labels, folds, a model, and what to learn
# Makes:  results/runs/EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/{history.csv,training.json,model.npz}


rule train:
    """Train one fold; never reads the test part."""
    input:
        labels=data_of("labels.csv"),
        augmented=augmented_of,
        folds=folds_of,
        start=carried_weights,
    output:
        history=f"{RUN}/history.csv",
        training=f"{RUN}/training.json",
        model=f"{RUN}/model.npz",
    log:
        "logs/train/{experiment}/{variant}/{protocol}/seed{seed}/fold{fold}.log",
    benchmark:
        "logs/benchmark/train/{experiment}/{variant}/{protocol}/seed{seed}/fold{fold}.tsv"
    threads: 1
    resources:
        mem_mb=1500,
    params:
        code=code("train"),
        task=task_of(),
        name=lambda wc: STUDY.model_of(wc.experiment, wc.variant),
        model=lambda wc: STUDY.part("models", STUDY.model_of(wc.experiment, wc.variant)),
        device=STUDY.device,
        start=lambda wc, input: f"--start {input.start}" if input.start else "",
        # Beside the outputs, which Snakemake deletes when a job fails.
        checkpoint=f"{RUN}/checkpoint.npz",
    message:
        "train {wildcards.experiment} {wildcards.variant} under"
        " {wildcards.protocol}, seed {wildcards.seed}, fold {wildcards.fold}"
    shell:
        "python -m scripts.train --labels {input.labels:q}"
        " --augmented {input.augmented:q} --folds {input.folds:q}"
        " --fold {wildcards.fold}"
        ' --model "$IGNETLAB_CONFIG"/models/{params.name}.yaml'
        " --experiment-json {params.task:q} --seed {wildcards.seed}"
        " --device {params.device:q} --threads {threads} {params.start}"
        " --checkpoint {params.checkpoint:q} --history {output.history:q}"
        " --training {output.training:q} --output {output.model:q}"
        " 2> >(tee {log:q} >&2)"
