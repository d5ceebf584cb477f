"""An evaluation as one HTML page that opens by itself: images inside, nothing from the network.

Belongs here: what stands on the page. Does not: its look (`report.html.j2`), the other files of a report (`report`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd

from coupang_assets.evaluation.metrics import Evaluation
from coupang_assets.evaluation.wording import FIGURES, shown

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Section:
    """A heading with a picture or a table below it; `numbers` are the positions of columns set to the right."""

    heading: str
    text: str = ""
    image: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numbers: Sequence[int] = ()


def report_page(evaluation: Evaluation, pictures: Mapping[str, bytes], model: Mapping[str, str | int | float]) -> str:
    """The page.

    Args:
        pictures: PNGs by the heading they stand under.
        model: what is known of the model: its `classifier`, `month`, size, ….
    """
    per_category = evaluation.per_category
    sections = [
        Section("Figures", header=("Figure", "Value"), rows=_figures(evaluation), numbers=(1,)),
        *(
            Section(heading, image=base64.b64encode(picture).decode())
            for heading, picture in pictures.items()
        ),
        _section("Level by level", evaluation.levels),
        _section(
            "Most confused",
            evaluation.most_confused[["truth_path", "predicted_path", "titles", "share"]],
            "True category, what it was taken for, and in how many of its titles.",
        ),
        _section(
            "Categories",
            per_category.drop(columns="code"),
            "All of them, most test titles first; trained: titles learned from; low and high: 95 % Wilson interval.",
        ),
        _section("Scores", evaluation.reliability, "The best prediction's score against how often it was right."),
        Section("Model", rows=[(name, shown(value)) for name, value in model.items()], header=("", "")),
    ]  # fmt: skip
    return _template().render(
        title=f"{model['classifier']}, {model['month']}",
        subtitle=f"Judged on {evaluation.titles:,} titles of {evaluation.categories:,} categories, of products and "
        "near-duplicates it has not learned from.",
        notice=evaluation.notice,
        sections=[section for section in sections if section.image or section.rows],
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(_TEMPLATE)


def _figures(evaluation: Evaluation) -> list[tuple[str, str]]:
    return [(FIGURES[name], shown(value)) for name, value in evaluation.figures().items()]


def _section(heading: str, table: pd.DataFrame, text: str = "") -> Section:
    numbers = [index for index, name in enumerate(table.columns) if pd.api.types.is_numeric_dtype(table[name])]
    rows = [[shown(value) for value in row] for row in table.itertuples(index=False, name=None)]
    header = [str(name).replace("_", " ") for name in table.columns]
    return Section(heading, text, header=header, rows=rows, numbers=numbers)
