# Needs:  augmented copies, labels, audited folds, a model; Keras (make .venv/compare); our
#         own trainings' metrics
# Makes:  results/runs/keras_peer/EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/{history.csv,
#         training.json,metrics.json,predictions.csv,beside.json},
#         results/tables/keras_peer.{csv,md,tex}
# Not part of `all`: Keras is an optional extra. A training takes all cores, so that
# nothing runs beside what it times; it uses one.


if keras_peer.all_of(STUDY):
    for folds in STUDY.fold_counts:

        rule:
            name:
                f"keras_peer_{folds}_folds"
            # Keras learns the folds, our engine once more beside it; scores Keras's.
            input:
                keras=INPUTS.keras,
                labels=INPUTS.data("labels.csv"),
                augmented=INPUTS.learned,
                folds=INPUTS.folds,
                audit=INPUTS.audit,
            output:
                history=of_all_folds("history.csv", folds, KERAS_RUN),
                training=of_all_folds("training.json", folds, KERAS_RUN),
                metrics=of_all_folds("metrics.json", folds, KERAS_RUN),
                predictions=of_all_folds("predictions.csv", folds, KERAS_RUN),
                beside=of_all_folds("beside.json", folds, KERAS_RUN),
            log:
                "logs/keras_peer/{experiment}/{variant}/{protocol}/seed{seed}.log",
            wildcard_constraints:
                protocol="|".join(STUDY.protocols_with(folds)),
            threads: PARAMS.all_cores
            resources:
                mem_mb=megabytes(3000),
                runtime=PARAMS.minutes(10, 30, 30, 480),
            params:
                code=code("keras_peer"),
                task=PARAMS.task("weights", "reported"),
                name=PARAMS.model_name,
                model=PARAMS.model,
                device=STUDY.device,
                folder=run_of,
            message:
                "let Keras learn {wildcards.experiment} {wildcards.variant} under"
                " {wildcards.protocol}, seed {wildcards.seed}, our engine beside it"
            shell:
                "python -m scripts.keras_peer --labels {input.labels:q}"
                " --augmented {input.augmented:q} --folds {input.folds:q}"
                ' --model "$IGNETLAB_CONFIG"/models/{params.name}.yaml'
                " --experiment-json {params.task:q} --seed {wildcards.seed}"
                " --device {params.device:q} --threads 1"
                " --folder {params.folder:q} 2> >(tee {log:q} >&2)"


for peer in keras_peer.all_of(STUDY):
    experiment = keras_peer.experiment_of(STUDY, peer)

    rule:
        name:
            f"{peer}_table"
        # Puts our scores and times beside Keras's, with intervals and differences.
        input:
            metrics=INPUTS.keras_runs(peer, "metrics.json", RUN),
            history=INPUTS.keras_runs(peer, "history.csv", RUN),
            theirs=INPUTS.keras_runs(peer, "metrics.json", KERAS_RUN),
            training=INPUTS.keras_runs(peer, "training.json", KERAS_RUN),
            beside=INPUTS.keras_runs(peer, "beside.json", KERAS_RUN),
            folds=[
                f"{INPUTS.data_folder(experiment)}/folds/{protocol}.json"
                for protocol in sorted({p for _, p in keras_peer.runs_of(STUDY, peer)})
            ],
            labels=f"{INPUTS.data_folder(experiment)}/labels.csv",
            source=f"{INPUTS.data_folder(experiment)}/source.json",
        output:
            csv=f"results/tables/{peer}.csv",
            others=multiext(f"results/tables/{peer}", ".md", ".tex"),
        log:
            f"logs/tables/{peer}.log",
        group:
            PARAMS.group("tables")
        params:
            code=code("keras_peer_table"),
            experiment=experiment_params.experiment_json(STUDY, experiment, peer),
            runs=runs_above("metrics"),
            keras_runs=runs_above("theirs"),
            folds=lambda wc, input: above(input.folds[0], 1),
            stem=stem_of,
        message:
            "table of our engine beside Keras"
        shell:
            "python -m scripts.keras_peer_table --experiment-json {params.experiment:q}"
            " --runs {params.runs:q} --keras-runs {params.keras_runs:q}"
            " --folds {params.folds:q} --labels {input.labels:q}"
            " --source {input.source:q} --output-stem {params.stem:q} 2> {log:q}"

    rule:
        name:
            peer
        input:
            f"results/tables/{peer}.csv",
            keras=INPUTS.keras,
        localrule: True
