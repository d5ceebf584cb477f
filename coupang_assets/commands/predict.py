"""``coupang-assets predict``: the best categories of titles, by a month's classifier."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.classifiers.biterm import BitermClassifier
from coupang_assets.datasets import BPE_TOKENIZER, BTM_PERCENT_DICT, CATE_DICTIONARY
from coupang_assets.months import work_month
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate


def predict_titles(settings: Settings, month: str, titles: Sequence[str], top: int, console: Console) -> None:
    """Print a table of categories with their share of the score.

    Raises:
        CoupangAssetsError: the month has no classifier, or its files are damaged.
    """
    key = work_month(month, settings.first_month)
    layout = Layout(settings)
    pickle = locate(layout, BTM_PERCENT_DICT, key).paths[0]
    model = BitermClassifier.load(pickle, locate(layout, BPE_TOKENIZER, key).paths[0])
    names = category_paths(read_frame(CATE_DICTIONARY, locate(layout, CATE_DICTIONARY, key).paths[0]))
    for title, predictions in zip(titles, model.predict(titles, top_k=top), strict=True):
        table = Table(title=Text(title), title_justify="left", show_header=False, box=None, padding=(0, 2))
        for prediction in predictions:
            path = " > ".join(names.get(prediction.code, ("not in the month's dictionary",)))
            table.add_row(f"{prediction.score:6.1%}", prediction.code, Text(path))
        if not predictions:
            table.add_row("", "", "nothing in this title is known to the classifier")
        console.print(table)
