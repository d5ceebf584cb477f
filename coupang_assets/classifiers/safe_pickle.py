"""The percent dictionary as a pickle that is safe to read (contract section 5).

Belongs here: the format of the pickle, its checksum, reading it without trusting it. Does not: what percents mean.

The file holds plain builtins only: `{(token, ''): {code: percent}, (token_a, token_b): {code: percent}}`. Beside it
lies `<name>.sha256` in the format of `sha256sum`. Reading verifies the checksum first, then unpickles with every class
refused, then checks the structure.
"""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeAlias

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

Key: TypeAlias = tuple[str, str]
PercentDict: TypeAlias = dict[Key, dict[str, float]]

# Fixed: a newer Python's default protocol would change the bytes.
_PROTOCOL = 4
_MAX_BYTES = 2 * 1024**3
# Percents are rounded by whoever wrote them.
_SUM_TOLERANCE = 1e-6
_AGAIN = "Materialize btm_percent_dict for this month again, or restore the file from a backup."


def checksum_path(path: Path) -> Path:
    """Where the checksum of the pickle `path` lies."""
    return path.with_name(f"{path.name}.sha256")


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
        writer = _HashingWriter(file)
        pickle.Pickler(writer, protocol=_PROTOCOL).dump(content)
    sidecar = checksum_path(path)
    with atomic_file(sidecar) as file:
        file.write(f"{writer.digest.hexdigest()}  {path.name}\n".encode())
    return path, sidecar


def load(path: Path, max_bytes: int = _MAX_BYTES) -> PercentDict:
    """Read a percent dictionary written by `dump`, trusting nothing.

    Raises:
        CoupangAssetsError: the file or its checksum is missing, larger than `max_bytes`, does not match its checksum,
            contains a class, or is not a percent dictionary.
    """
    expected = _expected_digest(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise CoupangAssetsError(f"{path} cannot be opened: {error.strerror}.", _AGAIN) from error
    with file:
        size = file.seek(0, os.SEEK_END)
        if size > max_bytes:
            raise CoupangAssetsError(
                f"{path} has {size:,} bytes, more than the {max_bytes:,} a model may have.",
                "If the file is what you expect, raise the size limit; otherwise materialize btm_percent_dict again.",
            )
        file.seek(0)
        actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise CoupangAssetsError(f"{path} does not match its checksum: it is torn or was changed.", _AGAIN)
        file.seek(0)
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


class _BuiltinsUnpickler(pickle.Unpickler):
    """An unpickler for which no class exists, so that no code can be named, let alone run."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise CoupangAssetsError(f"contains the class {module_name}.{global_name}, which is refused.")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise CoupangAssetsError("contains a reference to something outside the file, which is refused.")


class _HashingWriter:
    """Hashes what passes through to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _expected_digest(path: Path) -> str:
    sidecar = checksum_path(path)
    try:
        text = sidecar.read_text("ascii")
    except FileNotFoundError as error:
        remedy = (
            f"If you trust the pickle, write one: sha256sum {path.name} > {sidecar.name}" if path.exists() else _AGAIN
        )
        raise CoupangAssetsError(f"The checksum {sidecar} does not exist.", remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CoupangAssetsError(f"The checksum {sidecar} cannot be read.", _AGAIN) from error
    digest = text.split(maxsplit=1)[0].lower() if text.strip() else ""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise CoupangAssetsError(f"{sidecar} is not in the format of sha256sum.", _AGAIN)
    return digest


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
