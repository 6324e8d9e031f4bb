# Needs:  labels, and what is to be trained
# Makes:  results/estimate.csv


rule estimate:
    """Say how long the trainings will take; comes first, and is printed."""
    input:
        [
            f"results/data/{dataset}/labels.csv"
            for dataset in sorted(
                {STUDY.dataset_of(n) for n in STUDY.of_kind("training")}
            )
        ],
    output:
        "results/estimate.csv",
    log:
        "logs/estimate.log",
    priority: 100
    params:
        code=code("estimate"),
        plan=experiment_params.workload(STUDY),
        device=STUDY.device,
        data=lambda wc, input: above(input[0], 2) if input else "results/data",
    message:
        "measure a few steps of each network"
    shell:
        "python -m scripts.estimate --plan {params.plan:q} --data {params.data:q}"
        ' --config "$IGNETLAB_CONFIG" --device {params.device:q}'
        ' --cores "$IGNETLAB_CORES"'
        " --output {output:q} 2> >(tee {log:q} >&2)"
