"""A month's classifier as its files lie: model, category names and version."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupang_assets.classifiers.protocol import Classifier
from coupang_assets.datasets import ALL_MODELS, CATE_DICTIONARY
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.serving.choice import choose_model, load_model
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.manifest import read_manifest


@dataclass(frozen=True)
class MonthClassifier:
    """A model, and what its codes mean.

    Attributes:
        version: kind, month and content of the model; another model has another version.
        paths: names of each category, top first, by its code.
    """

    model: Classifier
    version: str
    paths: Mapping[str, tuple[str, ...]]


def latest_month_with_classifier(layout: Layout) -> str:
    """The latest month that has a dictionary and the classifier that predicts for it.

    Raises:
        CoupangAssetsError: there is none.
    """
    for month in reversed(layout.months_with_dictionary()):
        dataset = ALL_MODELS[choose_model(layout, month).name]
        if read_manifest(layout.folder_on_disk(month), dataset.name) is not None:
            return month
    raise CoupangAssetsError("no month has a classifier yet", "make one: coupang-assets run 2024_05")


def load_month_classifier(layout: Layout, month: str) -> MonthClassifier:
    """The classifier that predicts for a month: its champion's, see ``serving.choice``.

    Raises:
        CoupangAssetsError: the month has none, or its files are damaged.
    """
    name = choose_model(layout, month).name
    located = locate(layout, ALL_MODELS[name], month)
    model = load_model(layout, month, name)
    paths = category_paths(read_frame(CATE_DICTIONARY, locate(layout, CATE_DICTIONARY, month).paths[0]))
    content = located.manifest.data_version[:12] if located.manifest else "unrecorded"
    return MonthClassifier(model, f"{name} {month} {content}", paths)
