"""The percent dictionary as a pickle that is safe to read (contract section 5).

Belongs here: the format of the pickle, and reading it without trusting it. Does not: what percents mean, or
checksums (`checksum`).

The file holds plain builtins only: `{(token, ''): {code: percent}, (token_a, token_b): {code: percent}}`. Beside it
lies `<name>.sha256` in the format of `sha256sum`. Reading verifies the checksum first, then unpickles with every class
refused, then checks the structure.
"""

from __future__ import annotations

import math
import pickle
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from coupang_assets.classifiers.checksum import MAX_BYTES, HashingWriter, recorded_digest, verified, write_checksum
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

Key: TypeAlias = tuple[str, str]
PercentDict: TypeAlias = dict[Key, dict[str, float]]

# Fixed: a newer Python's default protocol would change the bytes.
_PROTOCOL = 4
# Percents are rounded by whoever wrote them.
_SUM_TOLERANCE = 1e-6
_AGAIN = "Materialize btm_percent_dict for this month again, or restore the file from a backup."


def dump(entries: Iterable[tuple[Key, dict[str, float]]], path: Path) -> tuple[Path, Path]:
    """Write a percent dictionary and its checksum, each atomically. Same entries in the same order, same bytes.

    Args:
        entries: keys and their percents, in the order the file shall have; consumed once.
        path: the pickle.

    Returns:
        The pickle and its checksum file.
    """
    # A pickle refers back to strings by identity, so equal strings must be one object for equal bytes.
    one: dict[str, str] = {}

    def same(text: str) -> str:
        return one.setdefault(text, text)

    content = {
        (same(a), same(b)): {same(code): float(percent) for code, percent in percents.items()}
        for (a, b), percents in entries
    }
    with atomic_file(path) as file:
        writer = HashingWriter(file)
        pickle.Pickler(writer, protocol=_PROTOCOL).dump(content)
    return path, write_checksum(path, writer.digest.hexdigest())


def load(path: Path, max_bytes: int = MAX_BYTES) -> PercentDict:
    """Read a percent dictionary written by `dump`, trusting nothing.

    Raises:
        CoupangAssetsError: the file or its checksum is missing, larger than `max_bytes`, does not match its checksum,
            contains a class, or is not a percent dictionary.
    """
    with verified(path, _AGAIN, max_bytes) as file:
        try:
            content = _BuiltinsUnpickler(file).load()
        except CoupangAssetsError as error:
            raise CoupangAssetsError(f"{path} {error.what}", _AGAIN) from error
        # What pickle raises on foreign bytes is not documented and not only UnpicklingError.
        except Exception as error:
            raise CoupangAssetsError(f"{path} is not a pickle of builtins ({error}).", _AGAIN) from error
    wrong = _wrong_structure(content)
    if wrong:
        raise CoupangAssetsError(f"{path} is not a percent dictionary: {wrong}.", _AGAIN)
    percents: PercentDict = content
    return percents


def verified_digest(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """SHA-256 of a pickle, hex, without reading what is in it.

    Raises:
        CoupangAssetsError: as `load`, for a file that is missing, too large or not as its checksum says.
    """
    with verified(path, _AGAIN, max_bytes):
        return recorded_digest(path, _AGAIN)


class _BuiltinsUnpickler(pickle.Unpickler):
    """An unpickler for which no class exists, so that no code can be named, let alone run."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise CoupangAssetsError(f"contains the class {module_name}.{global_name}, which is refused.")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise CoupangAssetsError("contains a reference to something outside the file, which is refused.")


def _wrong_structure(content: object) -> str:
    """What is wrong with the first wrong entry, or an empty string."""
    if type(content) is not dict:
        return f"it holds a {type(content).__name__}, not a dict"
    for key, percents in content.items():
        if not (type(key) is tuple and len(key) == 2 and type(key[0]) is str and type(key[1]) is str):
            return f"the key {reprlib.repr(key)} is not a pair of strings"
        if not key[0] or (key[1] and key[0] >= key[1]):
            return f"the key {reprlib.repr(key)} is not (token, '') or two tokens in ascending order"
        if type(percents) is not dict:
            return f"the percents of {reprlib.repr(key)} are a {type(percents).__name__}, not a dict"
        for code, percent in percents.items():
            if type(code) is not str or not code:
                return f"a category code of {reprlib.repr(key)} is {reprlib.repr(code)}, not a string"
            if type(percent) is not float or not 0.0 <= percent <= 1.0 + _SUM_TOLERANCE:
                return f"the percent of {reprlib.repr(key)} for {code!r} is {reprlib.repr(percent)}, not 0 to 1"
        if math.fsum(percents.values()) > 1.0 + _SUM_TOLERANCE:
            return f"the percents of {reprlib.repr(key)} sum to more than 1"
    return ""
