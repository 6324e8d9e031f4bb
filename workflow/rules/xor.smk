# Needs:  the model of S2's XOR net
# Makes:  results/tables/xor.{csv,md,tex}, xor_weights.csv


rule learn_xor:
    """Learn XOR as S2's Fig. 3 does, with the engine's layers in float64."""
    output:
        table=report(
            "results/tables/xor.csv",
            caption="../report/xor.rst",
            category="XOR",
            labels={"what": "table"},
        ),
        others=multiext("results/tables/xor", ".md", ".tex"),
        weights="results/tables/xor_weights.csv",
    log:
        "logs/xor.log",
    group:
        PARAMS.group("tables")
    params:
        code=code("xor"),
        model=STUDY.part("models", "xor"),
    message:
        "learn XOR"
    shell:
        'python -m scripts.xor --model "$IGNETLAB_CONFIG"/models/xor.yaml'
        " --table {output.table:q} --weights {output.weights:q} 2> {log:q}"
