# Needs:  augmented copies, labels, folds, models, and what to look into
# Makes:  results/tables/{ignet_diagnostics,ignet_tune,ignet_w2,freezeconnect}.{csv,md,tex},
#         results/figures/{ignet_diagnostics,ignet_w2,freezeconnect}.png,
#         results/diagnostics/VARIANT.txt


rule derivatives:
    """Print the table of S0 Fig. 4 at the start and after each pass."""
    input:
        unpack(lambda wc: diagnosed("derivatives")),
    output:
        table=report(
            "results/tables/ignet_diagnostics.csv",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "table", "part": "derivatives"},
        ),
        others=multiext("results/tables/ignet_diagnostics", ".md", ".tex"),
        texts=expand(
            "results/diagnostics/{variant}.txt",
            variant=diagnosis.variants_of(STUDY, "derivatives"),
        ),
    log:
        "logs/diagnostics/derivatives.log",
    threads: 1
    resources:
        **GPU,
        mem_mb=megabytes(1500),  # 900 at `demo`
        runtime=minutes(5, 10, 10, 120),
    params:
        code=code("diagnostics"),
        asked=lambda wc: diagnosis.asked(STUDY, "derivatives"),
        texts=lambda wc, output: above(output.texts[0], 1),
        models=lambda wc: diagnosis.models_digest(STUDY, "derivatives"),
        device=STUDY.device,
    message:
        "look at the derivatives"
    shell:
        "python -m scripts.diagnostics derivatives --asked-json {params.asked:q}"
        " --augmented {input.augmented:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --source {input.source:q}"
        ' --models "$IGNETLAB_CONFIG"/models --device {params.device:q} --threads 1'
        " --output {output.table:q} --texts {params.texts:q}"
        " 2> >(tee {log:q} >&2)"


rule tuning:
    """Start anew with other ranges until all derivatives are in the band."""
    input:
        unpack(lambda wc: diagnosed("tuning")),
    output:
        table=report(
            "results/tables/ignet_tune.csv",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "table", "part": "tuning"},
        ),
        others=multiext("results/tables/ignet_tune", ".md", ".tex"),
    log:
        "logs/diagnostics/tuning.log",
    threads: 1
    resources:
        **GPU,
        mem_mb=megabytes(1500),  # 900 at `demo`
        runtime=minutes(5, 10, 10, 120),
    params:
        code=code("diagnostics"),
        asked=lambda wc: diagnosis.asked(STUDY, "tuning"),
        models=lambda wc: diagnosis.models_digest(STUDY, "tuning"),
        device=STUDY.device,
    message:
        "tune the ranges of the initial weights"
    shell:
        "python -m scripts.diagnostics tuning --asked-json {params.asked:q}"
        " --augmented {input.augmented:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --source {input.source:q}"
        ' --models "$IGNETLAB_CONFIG"/models --device {params.device:q} --threads 1'
        " --output {output.table:q}"
        " 2> >(tee {log:q} >&2)"


rule w2:
    """Learn with the second layer's range, and with ten times it."""
    input:
        unpack(lambda wc: diagnosed("w2")),
    output:
        table=report(
            "results/tables/ignet_w2.csv",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "table", "part": "w2"},
        ),
        others=multiext("results/tables/ignet_w2", ".md", ".tex"),
    log:
        "logs/diagnostics/w2.log",
    threads: 1
    resources:
        **GPU,
        mem_mb=megabytes(1500),  # 900 at `demo`
        runtime=minutes(5, 10, 10, 120),
    params:
        code=code("diagnostics"),
        asked=lambda wc: diagnosis.asked(STUDY, "w2"),
        models=lambda wc: diagnosis.models_digest(STUDY, "w2"),
        device=STUDY.device,
    message:
        "raise the second layer's range ten times"
    shell:
        "python -m scripts.diagnostics w2 --asked-json {params.asked:q}"
        " --augmented {input.augmented:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --source {input.source:q}"
        ' --models "$IGNETLAB_CONFIG"/models --device {params.device:q} --threads 1'
        " --output {output.table:q}"
        " 2> >(tee {log:q} >&2)"


rule freezeconnect:
    """Time steps and learning with a random portion left out."""
    input:
        unpack(lambda wc: diagnosed("freezeconnect")),
    output:
        table=report(
            "results/tables/freezeconnect.csv",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "table", "part": "freezeconnect"},
        ),
        others=multiext("results/tables/freezeconnect", ".md", ".tex"),
    log:
        "logs/diagnostics/freezeconnect.log",
    # All cores, so that nothing runs beside what is timed; it uses one.
    threads: all_cores
    resources:
        **GPU,
        mem_mb=megabytes(1500),  # 900 at `demo`
        runtime=minutes(5, 10, 10, 120),
    params:
        code=code("diagnostics"),
        asked=lambda wc: diagnosis.asked(STUDY, "freezeconnect"),
        models=lambda wc: diagnosis.models_digest(STUDY, "freezeconnect"),
        device=STUDY.device,
    message:
        "time freezeconnect"
    shell:
        "python -m scripts.diagnostics freezeconnect --asked-json {params.asked:q}"
        " --augmented {input.augmented:q} --labels {input.labels:q}"
        " --folds {input.folds:q} --source {input.source:q}"
        ' --models "$IGNETLAB_CONFIG"/models --device {params.device:q} --threads 1'
        " --output {output.table:q}"
        " 2> >(tee {log:q} >&2)"


rule derivatives_figure:
    """Draw the derivatives over the passes."""
    input:
        "results/tables/ignet_diagnostics.csv",
    output:
        report(
            "results/figures/ignet_diagnostics.png",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "figure", "part": "derivatives"},
        ),
    log:
        "logs/diagnostics/derivatives_figure.log",
    params:
        code=code("diagnostics_figures"),
    message:
        "draw the derivatives over the passes"
    shell:
        "python -m scripts.diagnostics_figures derivatives --table {input:q}"
        " --output {output:q} 2> {log:q}"


rule w2_figure:
    """Draw the learning with both ranges."""
    input:
        "results/tables/ignet_w2.csv",
    output:
        report(
            "results/figures/ignet_w2.png",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "figure", "part": "w2"},
        ),
    log:
        "logs/diagnostics/w2_figure.log",
    params:
        code=code("diagnostics_figures"),
    message:
        "draw the learning with both ranges"
    shell:
        "python -m scripts.diagnostics_figures w2 --table {input:q}"
        " --output {output:q} 2> {log:q}"


rule freezeconnect_figure:
    """Draw what freezeconnect takes."""
    input:
        "results/tables/freezeconnect.csv",
    output:
        report(
            "results/figures/freezeconnect.png",
            caption="../report/diagnostics.rst",
            category="Diagnostics",
            labels={"what": "figure", "part": "freezeconnect"},
        ),
    log:
        "logs/diagnostics/freezeconnect_figure.log",
    params:
        code=code("diagnostics_figures"),
    message:
        "draw what freezeconnect takes"
    shell:
        "python -m scripts.diagnostics_figures freezeconnect --table {input:q}"
        " --output {output:q} 2> {log:q}"
