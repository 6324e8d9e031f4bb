# Needs:  PyTorch in the virtual environment (make .venv/compare)
# Makes:  results/tables/engine_speed.{csv,md,tex}, results/figures/engine_speed.png
# Not part of `all`: it compares with other engines, and wants a quiet machine.


rule engine_speed:
    """Time training steps of the documents' networks beside PyTorch's, in turns."""
    output:
        table="results/tables/engine_speed.csv",
        others=multiext("results/tables/engine_speed", ".md", ".tex"),
    log:
        "logs/benchmarks/engine_speed.log",
    threads: 2
    params:
        code=code("benchmark"),
    message:
        "time the engine beside PyTorch; about ten minutes"
    shell:
        'python -m scripts.benchmark --config "$IGNETLAB_CONFIG"'
        " --threads {threads} --output {output.table:q} 2> {log:q}"


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
        rules.engine_speed_figure.output,
    localrule: True
