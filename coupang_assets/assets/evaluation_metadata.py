"""What the UI shows of reports, champions and proposals.

Belongs here: metadata of step 6's evaluation, and reading earlier metadata back. Does not: figures (``evaluation``).
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from coupang_assets.evaluation.champion_record import ChampionEntry
from coupang_assets.evaluation.metrics import Evaluation
from coupang_assets.evaluation.report import markdown_report
from coupang_assets.pipeline.accepted_merges import KEEP, Accepted
from coupang_assets.storage.metadata import table_metadata

_PICTURES = {
    "confusion": "confusion.png",
    "accuracy by category size": "accuracy_by_size.png",
    "reliability": "reliability.png",
}
_SHOWN_PROPOSALS = 100
_COMPARED = (
    *("classifier", "accuracy", "accuracy_low", "accuracy_high", "level1_accuracy", "macro_f1", "hierarchical_f1"),
    *("calibration_error", "only_this_right", "only_other_right", "p_holm", "unmet"),
)


def latest_metadata(instance: dg.DagsterInstance, asset: str, month: str) -> Mapping[str, dg.MetadataValue[Any]]:
    """Metadata of an asset's latest materialization for a month; empty where there is none."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[month])
    records = instance.fetch_materializations(wanted, limit=1).records
    materialization = records[0].asset_materialization if records else None
    return materialization.metadata if materialization else {}


def report_metadata(judged: Evaluation, folder: Path) -> dict[str, Any]:
    """Figures, tables and pictures of a report whose files are in ``folder``."""
    return {
        **{name.replace("_", " "): round(value, 4) for name, value in judged.figures().items() if value is not None},
        "report": dg.MetadataValue.md(markdown_report(judged)),
        **{name: _image((folder / file).read_bytes()) for name, file in _PICTURES.items()},
    }


def champion_metadata(entry: ChampionEntry, path: Path, appended: bool, torn: Sequence[int]) -> dict[str, Any]:
    """The decision, the comparison it rests on, and what became of the record."""
    rows = [
        {name: candidate[name] for name in _COMPARED}
        | {"unmet": "; ".join(candidate["unmet"]) or "none", "MiB": round(candidate["model_bytes"] / 1024**2, 1)}
        | entry.timings[candidate["classifier"]]
        for candidate in entry.candidates
    ]
    return {
        "champion": entry.champion or "none",
        "before": entry.previous or "none",
        "outcome": entry.outcome,
        "reason": entry.reason,
        "comparison": table_metadata(pd.DataFrame(rows)),
        "record": dg.MetadataValue.path(path),
        "recorded": "yes" if appended else "the record says the same already",
        **({"torn lines of the record": ", ".join(map(str, torn))} if torn else {}),
    }


def proposals_metadata(table: pd.DataFrame) -> dict[str, Any]:
    """Numbers by proposal and reason, and what is to be merged or dropped."""
    counts = table.groupby(["proposal", "reason"]).size().rename("categories").reset_index()
    shown = ["code", "path", "proposal", "into_path", "reason", "trained", "tested", "accuracy", "confused_titles"]
    changes = table.loc[table["proposal"] != KEEP, [*shown, "confused_share", "name_overlap"]]
    return {
        "categories": len(table),
        "found": table_metadata(counts),
        "proposed": table_metadata(changes.head(_SHOWN_PROPOSALS)),
        "to accept": "write yes into the column accepted, or: coupang-assets taxonomy accept MONTH CODE…",
    }


def accepted_metadata(accepted: Sequence[Accepted], passed_over: Sequence[Accepted]) -> dict[str, Any]:
    """What a person's acceptances came to; nothing where there are none."""
    if not accepted:
        return {}
    rows = [
        {
            "code": one.code,
            "into": one.into or "",
            "accepted in": one.month,
            "applied": "no: this month does not have these codes" if one in passed_over else "yes",
        }
        for one in accepted
    ]
    return {"accepted": table_metadata(pd.DataFrame(rows))}


def _image(png: bytes) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
