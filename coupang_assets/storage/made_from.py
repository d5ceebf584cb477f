"""What a dataset is made from, as its asset's definition and the run know it, for its manifest.

Belongs here: code, settings and libraries out of the definition, and the versions of the inputs that were really read.
Does not: comparing them with what is there now (``refresh``).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from pydantic import JsonValue

from coupang_assets.storage.manifest import input_key

# Metadata of an asset's definition.
CODE_KEY = "coupang_assets/code_version"
SETTINGS_KEY = "coupang_assets/settings"
LIBRARIES_KEY = "coupang_assets/libraries"
# Datasets made on request that the asset reads where the month has them: no dependency of the run, which must not wait
# for what nobody asked for.
IF_MADE_KEY = "coupang_assets/reads_if_made"
# Version of a source that is asked until it has answered everything; another value makes the dataset stale.
ANSWERED = "answered"


class InputVersions:
    """Versions of the inputs each step of the run in this process has read.

    IO managers note what they load, assets what they read themselves; the IO manager that writes the output takes them.
    """

    def __init__(self) -> None:
        self._run_id = ""
        self._read: dict[str, dict[str, str]] = {}

    def note(self, run_id: str, step: str, name: str, month: str, version: str) -> None:
        """A step has read this version of a dataset or source of a month."""
        if run_id != self._run_id:
            self._run_id, self._read = run_id, {}
        self._read.setdefault(step, {})[input_key(name, month)] = version

    def of(self, run_id: str, step: str) -> dict[str, str]:
        """What a step has read, by ``dataset@month``."""
        return dict(sorted(self._read.get(step, {}).items())) if run_id == self._run_id else {}


def note_input(context: dg.AssetExecutionContext, inputs: InputVersions, name: str, month: str, version: str) -> None:
    """Note what an asset has read itself."""
    inputs.note(context.run.run_id, context.get_step_execution_context().step.key, name, month, version)


@dataclass(frozen=True)
class Definition:
    """What an asset's definition says of how its content is made; see ``Manifest``."""

    code_version: str | None = None
    settings: dict[str, JsonValue] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    if_made: tuple[str, ...] = ()

    @staticmethod
    def of(spec: dg.AssetSpec) -> "Definition":
        metadata: Mapping[str, Any] = spec.metadata
        return Definition(
            _plain(metadata.get(CODE_KEY)) or spec.code_version,
            _plain(metadata.get(SETTINGS_KEY)) or {},
            _plain(metadata.get(LIBRARIES_KEY)) or {},
            tuple(_plain(metadata.get(IF_MADE_KEY)) or ()),
        )


def dagster_code_version(code: str, settings: Mapping[str, JsonValue], libraries: Mapping[str, str]) -> str:
    """Code, settings and libraries as one version, so that Dagster's own UI sees a changed setting too."""
    text = json.dumps([code, settings, libraries], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, dg.MetadataValue) else value
