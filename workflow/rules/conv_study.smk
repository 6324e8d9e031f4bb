# Needs:  nothing but what to measure
# Makes:  results/tables/{EXPERIMENT,EXPERIMENT_fits}.{csv,md,tex},
#         results/figures/EXPERIMENT.png, of experiments of the kind `convolutions`


rule time_convolutions:
    """Measure time and memory of S4's ways to convolve, and of the engine's kernels."""
    output:
        table=report(
            "results/tables/{experiment}.csv",
            caption="../report/convolutions.rst",
            category="Convolutions",
            labels={"what": "table", "of": "time and memory"},
        ),
        fits=report(
            "results/tables/{experiment}_fits.csv",
            caption="../report/convolutions.rst",
            category="Convolutions",
            labels={"what": "table", "of": "formulas"},
        ),
        others=multiext("results/tables/{experiment}", ".md", ".tex"),
        other_fits=multiext("results/tables/{experiment}_fits", ".md", ".tex"),
    log:
        "logs/{experiment}.log",
    wildcard_constraints:
        experiment="|".join(STUDY.of_kind("convolutions")) or "none-is-chosen",
    # All cores, so that nothing runs beside what is timed; it uses one.
    threads: PARAMS.all_cores
    resources:
        mem_mb=megabytes(2500),
        runtime=PARAMS.minutes(5, 10, 30, 30),
    params:
        code=code("conv_study"),
        asked=lambda wc: convolutions.asked(STUDY, wc.experiment),
        stem=stem_of,
    message:
        "measure ways to convolve ({wildcards.experiment})"
    shell:
        "python -m scripts.conv_study --asked-json {params.asked:q}"
        " --output-stem {params.stem:q}"
        " 2> >(tee {log:q} >&2)"


rule convolutions_figure:
    """Draw time and memory over the work, the formulas beside them."""
    input:
        table="results/tables/{experiment}.csv",
        fits="results/tables/{experiment}_fits.csv",
    output:
        report(
            "results/figures/{experiment}.png",
            caption="../report/convolutions.rst",
            category="Convolutions",
            labels={"what": "figure", "of": "time and memory"},
        ),
    log:
        "logs/figures/{experiment}.log",
    wildcard_constraints:
        experiment="|".join(STUDY.of_kind("convolutions")) or "none-is-chosen",
    group:
        PARAMS.group("tables")
    params:
        code=code("figures"),
        series=lambda wc: convolutions.drawn(STUDY, wc.experiment),
    message:
        "draw ways to convolve ({wildcards.experiment})"
    shell:
        "python -m scripts.figures convolutions --table {input.table:q} {input.fits:q}"
        " --series {params.series:q} --output {output:q} 2> {log:q}"
