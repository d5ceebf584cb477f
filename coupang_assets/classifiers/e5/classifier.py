"""multilingual-e5, fine-tuned on product texts (spec 001): learning, using, saving.

Belongs here: `E5Classifier`, the project's protocol; `CategoryClassifier`, the specification's use of it. Does not:
the parts, each of which has a module of its own.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import ibis
import numpy as np
import pandas as pd

from coupang_assets.classifiers.calibration import Calibration, calibrate
from coupang_assets.classifiers.e5.extra import require_extra
from coupang_assets.classifiers.e5.hierarchy import Tree
from coupang_assets.classifiers.e5.inference import OnnxRuntime, Runtime, TorchRuntime, logits_of
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.e5.shapes import EncoderShape
from coupang_assets.classifiers.e5.text import product_text
from coupang_assets.classifiers.e5.vocabulary import Vocabulary, load_definition
from coupang_assets.classifiers.protocol import CATEGORY, TRAIN, VALID, Prediction, Probabilities, training_rows
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import sha256_file, write_text
from coupang_assets.settings import load_settings

if TYPE_CHECKING:
    from coupang_assets.classifiers.e5.network import CategoryNetwork
    from coupang_assets.classifiers.e5.planner import Plan
    from coupang_assets.classifiers.e5.training import Epoch

_FORMAT = "coupang-assets e5 1"
_HELD_OUT_EVERY = 10
_AGAIN = "Materialize e5_model again, or restore the file from a backup."


@dataclass(frozen=True)
class About:
    """What a model's file says of it.

    Attributes:
        weights: what it started from.
        calibration: of the logits, learned from the validation texts.
        tokenizer: SHA-256 of its definition.
        means: how memory was saved.
        peak_bytes: of the plan.
        epochs: validation figures of each epoch.
    """

    tree: Tree
    shape: EncoderShape
    length: int
    weights: str
    calibration: Calibration
    tokenizer: str
    means: str
    peak_bytes: int
    epochs: tuple[Mapping[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; `from_json` reads it."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> About:
        """Raises KeyError, TypeError or ValueError where it is not what `to_json` gave."""
        if stored["format"] != _FORMAT:
            raise ValueError(f"format {stored['format']}")
        tree = Tree(*(tuple(stored["tree"][name]) for name in ("leaves", "tops", "parent")))
        values = {name: value for name, value in stored.items() if name != "format"}
        shape = EncoderShape(**stored["shape"])
        calibration = Calibration.from_json(stored["calibration"])
        return cls(
            **{**values, "tree": tree, "shape": shape, "calibration": calibration, "epochs": tuple(stored["epochs"])}
        )


class E5Classifier(RankingClassifier):
    """A fine-tuned XLM-RoBERTa. Satisfies `Classifier`."""

    name: ClassVar[str] = "e5"
    suffix: ClassVar[str] = ".safetensors"

    def __init__(
        self, about: About, vocabulary: Vocabulary, runtime: Runtime, network: CategoryNetwork | None = None
    ) -> None:
        self.about = about
        self.vocabulary = vocabulary
        self.network = network
        self._runtime = runtime

    @property
    def codes(self) -> Sequence[str]:
        return self.about.tree.leaves

    @classmethod
    def fit(
        cls,
        training: ibis.Table,
        bpe_path: Path,
        *,
        seed: int = 0,
        scratch: Path | None = None,
        options: E5Options | None = None,
        top_of: Mapping[str, str] | None = None,
        checkpoints: Path | None = None,
        on_plan: Callable[[Plan], None] = lambda plan: None,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> Self:
        """See `Classifier.fit`. Same bytes on the same device with as many threads.

        Args:
            options: default: the settings group `e5`.
            top_of: top category of each code; without it the model is flat.
            checkpoints: folder in which a training that was killed goes on; default: none that stays.
            on_plan: told what fits, before training starts.
            on_epoch: told of each epoch as it ends.

        Raises:
            CoupangAssetsError: also if the extra or the weights are missing, or nothing fits into the memory.
        """
        require_extra()
        del bpe_path
        from coupang_assets.classifiers.e5 import training as loop
        from coupang_assets.classifiers.e5.corpus import encode
        from coupang_assets.classifiers.e5.network import merge_low_rank
        from coupang_assets.classifiers.e5.preparation import prepare

        options = options or E5Options.of(load_settings().e5)
        learned, judged = _splits(training)
        codes = learned.select(CATEGORY).distinct().order_by(CATEGORY).execute()[CATEGORY].tolist()
        if not codes:
            raise CoupangAssetsError(
                "The training set has no row of split 'train' with a title and a category.",
                "Check coupang_train of this month.",
            )
        tree = Tree.of(codes, top_of if options.hierarchy else None)
        prepared = prepare(learned, tree, options, seed)
        on_plan(prepared.plan)
        place = {code: index for index, code in enumerate(tree.leaves)}
        vocabulary = Vocabulary(prepared.definition, options.length)
        with tempfile.TemporaryDirectory(prefix="e5-", dir=scratch) as name:
            folder = Path(name)
            texts = encode(learned, vocabulary, place, folder / f"{TRAIN}.tokens")
            held = encode(judged, vocabulary, place, folder / f"{VALID}.tokens")
            if not len(texts) or not len(held):
                raise CoupangAssetsError("No title of the training set says anything.", "Check coupang_train.")
            run = _run_id(options, seed, tree, prepared.definition, (texts, held), folder)
            epochs = loop.train(
                prepared.network, texts, held, options, prepared.plan.means, seed=seed,
                folder=checkpoints or folder / "checkpoints", run=run, on_epoch=on_epoch,
            )  # fmt: skip
            logits = loop.logits(prepared.network, held, prepared.plan.means)
            truth = pd.DataFrame({CATEGORY: [tree.leaves[leaf] for leaf in held.leaf]})
            calibration = calibrate(truth, list(tree.leaves), logits)
        if prepared.plan.means.lora:
            merge_low_rank(prepared.network)
        about = About(
            tree=tree, shape=prepared.plan.shape, length=options.length, weights=options.weights,
            calibration=calibration,
            tokenizer=_digest(vocabulary.definition), means=prepared.plan.means.describe(),
            peak_bytes=prepared.plan.memory.peak, epochs=tuple(asdict(epoch) for epoch in epochs),
        )  # fmt: skip
        return cls(about, vocabulary, TorchRuntime(prepared.network), prepared.network)

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`. A title is the text of a product without manufacturer."""
        return self._probabilities([product_text(title) for title in titles])

    def predict_products(
        self, names: Sequence[str | None], manufacturers: Sequence[str | None], top_k: int = 3
    ) -> list[list[Prediction]]:
        """Like `predict`, for names with their manufacturers (empty or None where there is none)."""
        texts = [product_text(name, maker) for name, maker in zip(names, manufacturers, strict=True)]
        return self.predict(texts, top_k)

    def save(self, path: Path) -> tuple[Path, Path]:
        """See `Classifier.save`: the safetensors and `….tokenizer.json`."""
        from coupang_assets.classifiers.e5 import checkpoints

        if self.network is None:
            raise CoupangAssetsError("A model that was read from ONNX cannot be saved.", "Copy its files.")
        tokenizer = tokenizer_path(path)
        write_text(tokenizer, self.vocabulary.definition)
        checkpoints.save(path, self.network, None, self.about.to_json())
        return path, tokenizer

    @classmethod
    def load(cls, path: Path, bpe_path: Path | None = None, onnx: Path | None = None) -> Self:
        """See `Classifier.load`.

        Args:
            onnx: an export of this model to compute with instead of PyTorch. An int8 one computes a title a little
                differently beside other titles.
        """
        require_extra()
        del bpe_path
        from coupang_assets.classifiers.e5 import checkpoints

        try:
            about = About.from_json(checkpoints.read_state(path))
            definition = load_definition(tokenizer_path(path))
        except (KeyError, TypeError, ValueError) as error:
            raise CoupangAssetsError(f"{path} is not a model of the e5 classifier ({error}).", _AGAIN) from error
        if _digest(definition) != about.tokenizer:
            raise CoupangAssetsError(f"{tokenizer_path(path)} is not the tokenizer {path} was trained with.", _AGAIN)
        vocabulary = Vocabulary(definition, about.length)
        if onnx is not None:
            return cls(about, vocabulary, OnnxRuntime(onnx))
        from coupang_assets.classifiers.e5.network import CategoryNetwork

        network = CategoryNetwork(about.shape, about.tree)
        checkpoints.load(path, network)
        return cls(about, vocabulary, TorchRuntime(network), network)

    def describe(self) -> Mapping[str, str | int | float]:
        """See `Classifier.describe`."""
        best = max(self.about.epochs, key=lambda epoch: epoch["accuracy"])
        return {
            "classifier": "fine-tuned XLM-RoBERTa (e5)",
            "started from": self.about.weights,
            "categories": len(self.about.tree.leaves),
            "top categories": len(self.about.tree.tops),
            "parameters": self.about.shape.parameters,
            "pieces": self.about.shape.vocabulary,
            "epochs": len(self.about.epochs),
            "validation accuracy": round(best["accuracy"], 4),
            "validation F1": round(best["f1"], 4),
            "memory saved by": self.about.means,
            "planned peak GiB": round(self.about.peak_bytes / 2**30, 3),
        }

    def _probabilities(self, texts: Sequence[str]) -> Probabilities:
        encoded = self.vocabulary.encode(texts)
        known = [number for number, tokens in enumerate(encoded) if tokens]
        found = np.zeros((len(texts), len(self.codes)), np.float32)
        if known:
            logits = logits_of(self._runtime, [encoded[number] for number in known], len(self.codes))
            found[known] = self.about.calibration.probabilities(logits)
        return found


class CategoryClassifier:
    """Categories of a product, as in the specification (001, section 3)."""

    def __init__(self, path: Path | str, onnx: Path | str | None = None) -> None:
        """Args:
            path: a model's `.safetensors`, or the one folder it lies in.
            onnx: an export of it to compute with.

        Raises:
            CoupangAssetsError: the extra is not installed, or the files are missing or damaged.
        """
        found = Path(path)
        if found.is_dir():
            files = sorted(found.glob(f"*{E5Classifier.suffix}"))
            if len(files) != 1:
                raise CoupangAssetsError(f"{found} holds {len(files)} models.", "Name one .safetensors file.")
            found = files[0]
        self._model = E5Classifier.load(found, onnx=Path(onnx) if onnx else None)

    def predict(self, name: str, manufacturer: str = "", top_k: int = 3) -> list[Prediction]:
        """The best categories, best first; none if the text says nothing."""
        return self.predict_many([name], [manufacturer], top_k)[0]

    def predict_many(
        self, names: Sequence[str | None], manufacturers: Sequence[str | None] | None = None, top_k: int = 3
    ) -> list[list[Prediction]]:
        """The same for many products, which are computed in batches sorted by length."""
        return self._model.predict_products(names, manufacturers or [""] * len(names), top_k)


def tokenizer_path(path: Path) -> Path:
    """Where the tokenizer of the model `path` lies."""
    return path.with_name(f"{path.stem}.tokenizer.json")


def _splits(training: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """Rows to learn from, and rows to judge the epochs by: split valid, or every tenth row of train."""
    learned, judged = training_rows(training, TRAIN), training_rows(training, VALID)
    if judged.limit(1).count().execute():
        return learned, judged
    numbered = learned.mutate(place=ibis.row_number().over(ibis.window(order_by=learned.columns)))
    apart = numbered.place % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1
    return numbered.filter(~apart).drop("place"), numbered.filter(apart).drop("place")


def _run_id(options: E5Options, seed: int, tree: Tree, definition: str, corpora: Sequence[Any], folder: Path) -> str:
    """What must be the same for a checkpoint to be gone on from."""
    parts = [asdict(options) | {"seed": seed, "tree": asdict(tree), "tokenizer": _digest(definition)}]
    labels = [hashlib.sha256(corpus.leaf.tobytes() + corpus.start.tobytes()).hexdigest() for corpus in corpora]
    tokens = [sha256_file(folder / f"{split}.tokens") for split in (TRAIN, VALID)]
    return _digest(json.dumps([parts, labels, tokens], sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
