"""A source of models that are quick to make and whose answers a test can foresee."""

import threading
from collections.abc import Sequence

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.models import ModelVersion

MAY = ModelVersion("2024_05", "biterm", "aaaa")
APRIL = ModelVersion("2024_04", "biterm", "bbbb")
NAMES = {"0001": ("가전", "TV"), "0002": ("가전", "냉장고"), "0003": ("패션", "원피스")}


class EchoModel:
    """Says its version as the first code's name, and is as slow as it is told."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.batches: list[int] = []

    def predict(self, titles: Sequence[str], top_k: int) -> list[list[Prediction]]:
        self.batches.append(len(titles))
        self.may_answer.wait()
        if "break" in titles:
            raise CoupangAssetsError("the model is broken", "mend it")
        ranked = [Prediction("0001", 0.6), Prediction("0002", 0.3), Prediction("0003", 0.1)]
        return [ranked[:top_k] if title.strip() else [] for title in titles]

    def path(self, code: str) -> tuple[str, ...]:
        return (self.version.version, *NAMES[code])


class FakeSource:
    """Models in memory; tests publish newer ones and break them."""

    def __init__(self, *versions: ModelVersion) -> None:
        self.there = list(versions)
        self.broken: set[ModelVersion] = set()
        self.loaded: list[EchoModel] = []

    def versions(self) -> list[ModelVersion]:
        return list(self.there)

    def current(self) -> ModelVersion:
        if not self.there:
            raise CoupangAssetsError("there is no model", "make one")
        return self.there[0]

    def load(self, version: ModelVersion) -> EchoModel:
        if version in self.broken:
            raise CoupangAssetsError(f"{version.id} is damaged", "make it again")
        self.loaded.append(EchoModel(version))
        return self.loaded[-1]
