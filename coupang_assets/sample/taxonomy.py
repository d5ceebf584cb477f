"""Reader of `taxonomy.txt`, the hand-written vocabulary of the generated world.

Belongs here: the file's grammar (explained at its head). Does not: what is made of it.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class LeafEntry:
    """A leaf: its fourth name (None where pages show three names only), maybe a fifth, and the nouns of its titles."""

    name: str | None
    fifth: str | None
    nouns: tuple[str, ...]


@dataclass
class Group:
    """A level-3 category with the words its leaves share; `brands` and `units` win over those of its top."""

    level2: str
    level3: str
    words: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    leaves: list[LeafEntry] = field(default_factory=list)


@dataclass
class Top:
    """A top category with the vocabulary of its titles; `qualifiers` are (name, later name) pairs."""

    name: str
    vocabulary: dict[str, tuple[str, ...]] = field(default_factory=dict)
    qualifiers: tuple[tuple[str, str], ...] = ()
    models: float = 0.0
    groups: list[Group] = field(default_factory=list)


@cache
def load_taxonomy() -> tuple[Top, ...]:
    """All top categories, in the file's order."""
    tops: list[Top] = []
    for line in files("coupang_assets.sample").joinpath("taxonomy.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("== "):
            level2, level3 = (part.strip() for part in line[3:].split(">"))
            tops[-1].groups.append(Group(level2, level3))
        elif line.startswith("= "):
            tops.append(Top(line[2:].strip()))
        elif line.startswith("@ "):
            tops[-1].groups[-1].words = _items(line[2:])
        elif line.startswith("& "):
            tops[-1].groups[-1].brands = _items(line[2:])
        elif line.startswith("% "):
            tops[-1].groups[-1].units = _items(line[2:])
        elif not tops[-1].groups:
            _read_vocabulary(tops[-1], line)
        else:
            tops[-1].groups[-1].leaves.append(_read_leaf(line))
    return tuple(tops)


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _read_vocabulary(top: Top, line: str) -> None:
    key, _, value = line.partition(":")
    if key == "models":
        top.models = float(value)
    elif key == "qualifiers":
        pairs = (item.partition("=") for item in _items(value))
        top.qualifiers = tuple((old, new) for old, _, new in pairs)
    else:
        top.vocabulary[key] = _items(value)


def _read_leaf(line: str) -> LeafEntry:
    names, _, nouns = line.partition(" : ")
    fourth, _, fifth = (part.strip() for part in names.partition(" > "))
    return LeafEntry(None if fourth == "-" else fourth, fifth or None, _items(nouns))
