# Needs:  a trained network and the folds
# Makes:  results/runs/.../foldJ/{metrics.json,predictions.csv}


rule evaluate:
    """Score one trained network; the only rule that reads the test part."""
    input:
        labels=data_of("labels.csv"),
        augmented=augmented_of,
        folds=folds_of,
        network=f"{RUN}/model.npz",
    output:
        metrics=f"{RUN}/metrics.json",
        predictions=f"{RUN}/predictions.csv",
    log:
        "logs/evaluate/{experiment}/{variant}/{protocol}/seed{seed}/fold{fold}.log",
    threads: 1
    params:
        code=code("evaluate"),
        task=task_of("reported"),
        device=STUDY.device,
    message:
        "score {wildcards.experiment} {wildcards.variant} under"
        " {wildcards.protocol}, seed {wildcards.seed}, fold {wildcards.fold}"
    shell:
        "python -m scripts.evaluate --network {input.network:q}"
        " --augmented {input.augmented:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --fold {wildcards.fold}"
        " --experiment-json {params.task:q} --seed {wildcards.seed}"
        " --device {params.device:q} --threads {threads}"
        " --metrics {output.metrics:q} --predictions {output.predictions:q} 2> {log:q}"
