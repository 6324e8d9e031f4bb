"""Two protocols in small, as STUDY.experiment_json gives them."""

PROTOCOLS = {
    "paper": {
        "id": "paper",
        "scored_like": "paper",
        "title": "rows",
        "unit": "row",
        "labels": True,
        "weights": "carried",
        "reported": "validation",
        "leaks": True,
        "k": 2,
    },
    "by-child": {
        "id": "by-child",
        "scored_like": "by-child",
        "title": "children",
        "unit": "child",
        "labels": True,
        "weights": "fresh",
        "reported": "test",
        "leaks": False,
        "k": 2,
    },
}
