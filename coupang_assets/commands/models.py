"""Which of a month's classifiers predicts, and loading it.

Belongs here: the choice, the same for every command that predicts. Does not: the models themselves.
"""

from dataclasses import dataclass

from coupang_assets.classifiers.protocol import CLASSIFIERS, Classifier, classifier_class
from coupang_assets.datasets import BPE_TOKENIZER, CLASSIFIER_MODELS
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate

_FALLBACK = next(iter(CLASSIFIERS))


@dataclass(frozen=True)
class ModelChoice:
    """A classifier by name, and in a line for people why it predicts."""

    name: str
    why: str


def choose_model(layout: Layout, month: str, wanted: str | None = None) -> ModelChoice:
    """Who predicts for a month: ``wanted``, else the first of the classifiers.

    Raises:
        CoupangAssetsError: there is no classifier of that name.
    """
    del layout, month
    if wanted is not None:
        classifier_class(wanted)
        return ModelChoice(wanted, f"{wanted} predicts, as asked")
    return ModelChoice(_FALLBACK, f"{_FALLBACK} predicts")


def load_model(layout: Layout, month: str, name: str) -> Classifier:
    """A month's model of a classifier.

    Raises:
        CoupangAssetsError: the month has none, or its files are damaged.
    """
    main_file = locate(layout, CLASSIFIER_MODELS[name], month).paths[0]
    return classifier_class(name).load(main_file, locate(layout, BPE_TOKENIZER, month).paths[0])
