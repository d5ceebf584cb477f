"""Candidates for champion, made of the titles they have right."""

from typing import Any

import numpy as np
import pandas as pd

from coupang_assets.evaluation.requirements import Candidate

TITLES = 1000


def candidate(name: str, hits: int = 900, /, **changes: Any) -> Candidate:
    """A candidate that has the first `hits` of `TITLES` titles right and holds every default requirement."""
    return Candidate(
        **{
            "name": name,
            "model_version": f"version of {name}",
            "held_out": "titles",
            "figures": {
                **dict.fromkeys(("accuracy_low", "accuracy_high", "level1_accuracy", "macro_f1"), 0.9),
                **{"accuracy": hits / TITLES, "hierarchical_f1": 0.9, "calibration_error": 0.02},
            },
            "per_category": pd.DataFrame({"code": ["0001"], "accuracy": [hits / TITLES], "support": [TITLES]}),
            "right": np.arange(TITLES) < hits,
            "model_bytes": 1024**2,
            "titles_per_second": 50_000.0,
            "training_seconds": 10.0,
        }
        | changes
    )
