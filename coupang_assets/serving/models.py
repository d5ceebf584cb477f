"""Which models there are, which of them answers, and changing it while requests are under way.

A newer version is loaded beside the current one and takes its place in one assignment; requests that the old one has
taken are answered by it, and then it goes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.batching import MicroBatcher

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelVersion:
    """One version of one month's classifier."""

    month: str
    classifier: str
    version: str

    @property
    def id(self) -> str:
        """What a request calls it."""
        return f"{self.month}/{self.classifier}"


class Answering(Protocol):
    """A loaded model."""

    def predict(self, titles: Sequence[str], top_k: int) -> list[list[Prediction]]:
        """Predictions of each title, best first."""
        ...

    def path(self, code: str) -> tuple[str, ...]:
        """Names of a category from the top down."""
        ...


class ModelSource(Protocol):
    """Where models come from; its methods touch the disk and are called outside the event loop."""

    def versions(self) -> list[ModelVersion]:
        """Every model there is now, newest month first."""
        ...

    def current(self) -> ModelVersion:
        """The model that answers when none is named.

        Raises:
            CoupangAssetsError: there is none.
        """
        ...

    def load(self, version: ModelVersion) -> Answering:
        """Load a model.

        Raises:
            CoupangAssetsError: its files are missing or damaged, or are of another version by now.
        """
        ...


@dataclass(frozen=True)
class Serving:
    """A loaded model and its queue."""

    version: ModelVersion
    model: Answering
    batcher: MicroBatcher


@dataclass
class ModelPool:
    """The loaded models: the current one, and the few others that were asked for last.

    Args:
        make_batcher: a queue for a loaded model.
        keep: models beside the current one that stay loaded.
    """

    source: ModelSource
    make_batcher: Callable[[Answering], MicroBatcher]
    keep: int = 2
    swapped: Callable[[ModelVersion, ModelVersion | None], None] = lambda new, old: None
    _current: Serving | None = None
    _others: dict[str, Serving] = field(default_factory=dict)
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def current(self) -> Serving:
        """What answers when a request names no model.

        Raises:
            CoupangAssetsError: :meth:`refresh` has not loaded one.
        """
        if self._current is None:
            raise CoupangAssetsError("no model is loaded", "materialize btm_percent_dict of a month")
        return self._current

    @property
    def loaded(self) -> list[Serving]:
        """Every loaded model."""
        return [*([self._current] if self._current else []), *self._others.values()]

    async def named(self, model_id: str | None) -> Serving | None:
        """The model of that id, loaded if need be; None if there is none.

        Raises:
            CoupangAssetsError: it is there, but cannot be loaded.
        """
        if model_id is None or (self._current and self._current.version.id == model_id):
            return self.current
        if (found := self._others.get(model_id)) is not None:
            return found
        async with self._loading:
            if (found := self._others.get(model_id)) is not None:
                return found
            versions = await asyncio.to_thread(self.source.versions)
            version = next((version for version in versions if version.id == model_id), None)
            if version is None:
                return None
            self._others[model_id] = serving = await self._load(version)
            while len(self._others) > self.keep:
                self._retire(self._others.pop(next(iter(self._others))))
            return serving

    async def refresh(self) -> bool:
        """Take over what is newer than what is loaded; True if the current model changed.

        Raises:
            CoupangAssetsError: there is no model, or the newer one cannot be loaded; what is loaded stays.
        """
        async with self._loading:
            newest = {version.id: version for version in await asyncio.to_thread(self.source.versions)}
            for outdated in [own for own in self._others.values() if newest.get(own.version.id) != own.version]:
                self._retire(self._others.pop(outdated.version.id))
            wanted = await asyncio.to_thread(self.source.current)
            before = self._current
            if before is not None and before.version == wanted:
                return False
            self._current = await self._load(wanted)
            self.swapped(wanted, before.version if before else None)
            if before is not None:
                self._retire(before)
            return True

    async def watch(self, seconds: float, failed: Callable[[CoupangAssetsError], None]) -> None:
        """:meth:`refresh` from time to time, for good; what cannot be loaded is told and tried again."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.refresh()
            except CoupangAssetsError as error:
                _log.warning("the newer model is not taken over: %s", error)
                failed(error)

    async def close(self) -> None:
        """Answer what waits, and free the models."""
        loaded = self.loaded
        self._current = None
        self._others.clear()
        await asyncio.gather(*(serving.batcher.close() for serving in loaded), *self._closing)

    async def _load(self, version: ModelVersion) -> Serving:
        model = await asyncio.to_thread(self.source.load, version)
        return Serving(version, model, self.make_batcher(model))

    def _retire(self, serving: Serving) -> None:
        task = asyncio.create_task(serving.batcher.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
