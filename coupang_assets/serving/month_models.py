"""The models of the work months, as the service asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coupang_assets.classifiers.protocol import Classifier, Prediction
from coupang_assets.datasets import ALL_MODELS, CATE_DICTIONARY
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.serving.choice import choose_model, load_model
from coupang_assets.serving.models import ModelVersion
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.manifest import read_manifest


@dataclass(frozen=True)
class MonthModel:
    """A month's classifier with the names of the month's dictionary."""

    classifier: Classifier
    names: Mapping[str, tuple[str, ...]]

    def predict(self, titles: Sequence[str], top_k: int) -> list[list[Prediction]]:
        """See ``Answering``."""
        return self.classifier.predict(titles, top_k)

    def path(self, code: str) -> tuple[str, ...]:
        """See ``Answering``; empty for a code the dictionary does not have."""
        return self.names.get(code, ())


@dataclass(frozen=True)
class MonthModels:
    """A ``ModelSource`` over the month folders of one root.

    Args:
        pinned: id of the model that is current whatever else there is; None: the champion's of the newest month.
    """

    layout: Layout
    pinned: str | None = None

    def versions(self) -> list[ModelVersion]:
        """See ``ModelSource``."""
        found = []
        for month in reversed(self.layout.months_with_dictionary()):
            for name, dataset in ALL_MODELS.items():
                manifest = read_manifest(self.layout.folder_on_disk(month), dataset.name)
                if manifest is not None:
                    found.append(ModelVersion(month, name, manifest.data_version))
        return found

    def current(self) -> ModelVersion:
        """See ``ModelSource``."""
        versions = self.versions()
        wanted = [version for version in versions if self.pinned in (None, version.id)]
        if not wanted:
            there = ", ".join(version.id for version in versions)
            raise CoupangAssetsError(
                f"there is no model {self.pinned}" if self.pinned else f"no month under {self.layout.root} has a model",
                f"choose one of {there}" if there else "make one: coupang-assets run MONTH",
            )
        if self.pinned is not None:
            return wanted[0]
        newest = [version for version in wanted if version.month == wanted[0].month]
        chosen = choose_model(self.layout, newest[0].month).name
        return next((version for version in newest if version.classifier == chosen), newest[0])

    def load(self, version: ModelVersion) -> MonthModel:
        """See ``ModelSource``."""
        model = locate(self.layout, ALL_MODELS[version.classifier], version.month)
        if model.manifest is None or model.manifest.data_version != version.version:
            raise CoupangAssetsError(f"{version.id} has been made anew meanwhile", "look again")
        dictionary = locate(self.layout, CATE_DICTIONARY, version.month).paths[0]
        return MonthModel(
            load_model(self.layout, version.month, version.classifier),
            category_paths(read_frame(CATE_DICTIONARY, dictionary)),
        )
