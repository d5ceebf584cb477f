"""Which of a month's classifiers predicts, and loading it.

Belongs here: the choice, the same for everything that predicts. Does not: how the champion is made (`evaluation`).
"""

from dataclasses import dataclass

from coupang_assets.classifiers.protocol import CLASSIFIERS, Classifier, classifier_class
from coupang_assets.datasets import ALL_MODELS, BPE_TOKENIZER
from coupang_assets.evaluation.champion_record import CHAMPIONS_FILE, best_classifier, read_champions
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate

# Predicts while no candidate has been judged.
_FALLBACK = next(iter(CLASSIFIERS))


@dataclass(frozen=True)
class ModelChoice:
    """A classifier by name, and in a line for people why it predicts."""

    name: str
    why: str


def choose_model(layout: Layout, month: str, wanted: str | None = None) -> ModelChoice:
    """Who predicts for a month: ``wanted``, else the champion of it or of the latest month before it.

    Where no candidate was good enough to be champion the most accurate predicts, where none was ever judged the first
    of the classifiers; the reason says so.

    Raises:
        CoupangAssetsError: there is no classifier of that name, or the champion record is damaged.
    """
    if wanted is not None:
        classifier_class(wanted)
        return ModelChoice(wanted, f"{wanted} predicts, as asked")
    entry = read_champions(layout.root / CHAMPIONS_FILE).up_to(month)
    if entry is None:
        return ModelChoice(_FALLBACK, f"{_FALLBACK} predicts: no champion has been looked for up to {month}")
    name = best_classifier(entry.decided())
    if name == entry.champion:
        return ModelChoice(name, f"{name} predicts: champion of {entry.month}")
    return ModelChoice(name, f"{name} predicts, the most accurate of {entry.month}, but no champion: {entry.reason}")


def load_model(layout: Layout, month: str, name: str) -> Classifier:
    """A month's model of a classifier.

    Raises:
        CoupangAssetsError: the month has none, or its files are damaged.
    """
    main_file = locate(layout, ALL_MODELS[name], month).paths[0]
    return classifier_class(name).load(main_file, locate(layout, BPE_TOKENIZER, month).paths[0])
