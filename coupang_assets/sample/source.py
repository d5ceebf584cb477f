"""A folder that holds a sample world, and the event table filled from it day by day.

Belongs here: making what is missing, once, however many processes ask. Does not: what is made.
"""

import datetime as dt
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.events import EventOptions, partition_file, write_day
from coupang_assets.sample.generate import WorldOptions, generate_world
from coupang_assets.sample.world import World


class SampleSource:
    """The embedded default's stand-in for the event warehouse and the shop's catalogue.

    Args:
        folder: where the world is kept; made on first use.
        world_options: what a generated world is made from. A world built from real input is used as it is.
        event_options: what each day's events are made from.
    """

    def __init__(
        self,
        folder: Path,
        world_options: WorldOptions | None = None,
        event_options: EventOptions | None = None,
    ) -> None:
        self.folder = folder
        self.world_options = world_options or WorldOptions()
        self.event_options = event_options or EventOptions()
        self._world: World | None = None

    def world(self) -> World:
        """The folder's world, generated and saved on first use.

        Raises:
            CoupangAssetsError: the saved world is damaged, or was generated from other options than these.
        """
        if self._world is None:
            self._world = self._load_or_generate()
        return self._world

    def ensure_day(self, table: Path, day: dt.date) -> Path:
        """Write the day's ORC file under the table folder unless it is there already; return its path.

        The file appears whole or not at all, and two processes that make it at once make the same bytes.
        """
        path = partition_file(table, day)
        if not path.is_file():
            write_day(self.world(), day, path, self.event_options)
        return path

    def _load_or_generate(self) -> World:
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            if not World.exists(self.folder):
                world = generate_world(self.world_options)
                world.save(self.folder)
                return world
        world = World.load(self.folder)
        if world.kind == "generated" and dict(world.options) != asdict(self.world_options):
            raise CoupangAssetsError(
                f"the sample world in {self.folder} was generated from {dict(world.options)}, "
                f"but {asdict(self.world_options)} is asked for",
                "go back to the former options, or remove the folder and the event table made from it",
            )
        return world
