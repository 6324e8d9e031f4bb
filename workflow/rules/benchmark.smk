# Needs:  nothing; beside PyTorch and Keras with make .venv/compare
# Makes:  results/tables/{engine_speed,engine_scaling}.{csv,md,tex},
#         results/figures/engine_speed.png
# Not part of `all`: it compares with other engines, and wants a quiet machine. Each of
# the two takes all cores, so that nothing runs beside it; what it measures uses two.


rule engine_speed:
    """Time the documents' networks beside other engines, in turns."""
    output:
        table="results/tables/engine_speed.csv",
        others=multiext("results/tables/engine_speed", ".md", ".tex"),
    log:
        "logs/benchmarks/engine_speed.log",
    threads: PARAMS.all_cores
    params:
        code=code("benchmark"),
    message:
        "time the engine beside PyTorch and Keras; about half an hour"
    shell:
        'python -m scripts.benchmark --config "$IGNETLAB_CONFIG"'
        " --threads 2 --output {output.table:q} 2> >(tee {log:q} >&2)"


rule engine_scaling:
    """Time a step over the batch, and a pass over the number of images."""
    output:
        table="results/tables/engine_scaling.csv",
        others=multiext("results/tables/engine_scaling", ".md", ".tex"),
    log:
        "logs/benchmarks/engine_scaling.log",
    threads: PARAMS.all_cores
    params:
        code=code("scaling"),
    message:
        "time the engine over batch and images; about five minutes"
    shell:
        'python -m scripts.scaling --config "$IGNETLAB_CONFIG"'
        " --threads 2 --output {output.table:q} 2> >(tee {log:q} >&2)"


rule engine_speed_figure:
    """Draw the ratios and their goals."""
    input:
        "results/tables/engine_speed.csv",
    output:
        "results/figures/engine_speed.png",
    log:
        "logs/benchmarks/engine_speed_figure.log",
    params:
        code=code("figures"),
    message:
        "draw the engine's speed"
    shell:
        "python -m scripts.figures speed --table {input:q} --output {output:q}"
        " 2> {log:q}"


rule benchmarks:
    input:
        rules.engine_speed.output,
        rules.engine_scaling.output,
        rules.engine_speed_figure.output,
    localrule: True
