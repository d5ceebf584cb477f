"""``coupang-assets predict``: the best categories of titles, by the champion or another of a month's classifiers."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.datasets import CATE_DICTIONARY
from coupang_assets.months import work_month
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.serving.choice import choose_model, load_model
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate


def predict_titles(
    settings: Settings, month: str, titles: Sequence[str], top: int, model: str | None, console: Console
) -> None:
    """Print whose prediction it is, and a table of categories with their probability.

    Args:
        model: name of a classifier; None: the champion.

    Raises:
        CoupangAssetsError: the month has no such model, or its files are damaged.
    """
    key = work_month(month, settings.first_month)
    layout = Layout(settings)
    choice = choose_model(layout, key, model)
    classifier = load_model(layout, key, choice.name)
    console.print(Text(choice.why, "dim"))
    names = category_paths(read_frame(CATE_DICTIONARY, locate(layout, CATE_DICTIONARY, key).paths[0]))
    for title, predictions in zip(titles, classifier.predict(titles, top_k=top), strict=True):
        table = Table(title=Text(title), title_justify="left", show_header=False, box=None, padding=(0, 2))
        for prediction in predictions:
            path = " > ".join(names.get(prediction.code, ("not in the month's dictionary",)))
            table.add_row(f"{prediction.score:6.1%}", prediction.code, Text(path))
        if not predictions:
            table.add_row("", "", "nothing in this title is known to the classifier")
        console.print(table)
