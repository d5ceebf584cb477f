"""``coupang-assets predict``: the best categories of titles, by a month's classifier."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.assets.month_classifier import load_month_classifier
from coupang_assets.months import work_month
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout


def predict_titles(settings: Settings, month: str, titles: Sequence[str], top: int, console: Console) -> None:
    """Print a table of categories with their share of the score.

    Raises:
        CoupangAssetsError: the month has no classifier, or its files are damaged.
    """
    key = work_month(month, settings.first_month)
    classifier = load_month_classifier(Layout(settings), key)
    for title, predictions in zip(titles, classifier.model.predict(titles, top_k=top), strict=True):
        table = Table(title=Text(title), title_justify="left", show_header=False, box=None, padding=(0, 2))
        for prediction in predictions:
            path = " > ".join(classifier.paths.get(prediction.code, ("not in the month's dictionary",)))
            table.add_row(f"{prediction.score:6.1%}", prediction.code, Text(path))
        if not predictions:
            table.add_row("", "", "nothing in this title is known to the classifier")
        console.print(table)
