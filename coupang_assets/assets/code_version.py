"""The version of an asset's code: a hash of what its function does, and of everything of ours that it calls.

What is called is found in the syntax tree, function by function, so a rule that changes makes those datasets stale
that follow it and no others. Comments, docstrings and layout do not count. Belongs here: that search. Does not:
settings and libraries, which are versioned by their values (``monthly``).
"""

import ast
import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import coupang_assets
from coupang_assets.datasets import Dataset

_PACKAGE = coupang_assets.__name__
# Where content is made. Reading, writing and asking are done elsewhere, in ways that do not shape what comes out.
_ROOMS = ("pipeline", "classifiers", "evaluation", "charts", "products")
_CRAWLING = ("agreement", "candidates", "name_lists", "offline", "outcomes", "parsers", "saved_pages", "summary")
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PREFIXES = (
    *(f"{_PACKAGE}.{room}" for room in _ROOMS),
    *(f"{_PACKAGE}.crawling.{module}" for module in _CRAWLING),
    f"{_PACKAGE}.assets.event_readers",
)


def code_version(dataset: Dataset, function: Callable[..., Any], also: tuple[ModuleType, ...] = ()) -> str:
    """Version of the code that makes ``dataset``.

    Args:
        dataset: its columns, order and file names are a part of what is made.
        function: the asset's; what it calls of its own module, of ``pipeline``, ``classifiers``, ``evaluation``,
            ``products`` and the crawl's parsers is found, however far away.
        also: modules that are called in a way nobody can see, such as in another process; all of each counts.
    """
    own = _module(function.__module__)
    statement = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
    statement.decorator_list = []
    asked = _read(statement)
    reached: dict[tuple[str, str], str] = {}
    for symbol in _symbols(own, asked):
        _reach(*symbol, own.name, reached)
    for module in also:
        for name in _module(module.__name__).nodes:
            _reach(module.__name__, name, own.name, reached)
    columns = [(column.name, column.type, column.code) for column in dataset.columns]
    shape = repr((dataset.kind.value, dataset.paths, columns, dataset.unique, dataset.sort))
    lines = [shape, asked.text, *(f"{key} {text}" for key, text in sorted(reached.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Statement:
    """A syntax tree, read once.

    Attributes:
        text: what it does: without comments, docstrings and layout.
        names: what it refers to, once each: a name, and the attribute that is taken of it, if one is.
        imports: names of ours that it imports, to the module and name they come from.
    """

    text: str
    names: tuple[tuple[str, str | None], ...]
    imports: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class _Module:
    """Top-level names of a module: what is defined under them, or where they are imported from.

    ``nodes`` has the statements without a name under ``""``.
    """

    name: str
    nodes: dict[str, list[_Statement]]
    imports: dict[str, tuple[str, str]]


@functools.cache
def _module(name: str) -> _Module:
    path = _path(name)
    if path is None:
        return _Module(name, {}, {})
    nodes: dict[str, list[_Statement]] = {}
    imports: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(path.read_bytes()).body:
        read = _read(statement)
        # Imports inside of functions count for the whole module: the same name is not imported from two places.
        imports |= read.imports
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            for bound in _bound_names(statement):
                nodes.setdefault(bound, []).append(read)
    return _Module(name, nodes, imports)


def _bound_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)] or [""]
    return [""]


def _read(statement: ast.stmt) -> _Statement:
    # All modules are read whenever the definitions load, so text and names come out of one pass.
    words: list[str] = []
    names: dict[tuple[str, str | None], None] = {}
    imports: dict[str, tuple[str, str]] = {}

    def read(node: Any) -> None:
        if isinstance(node, list):
            words.append("[")
            for each in node:
                read(each)
            words.append("]")
            return
        if not isinstance(node, ast.AST):
            words.append(repr(node))
            return
        words.append(type(node).__name__)
        if isinstance(node, ast.Name):
            names[node.id, None] = None
            words.append(node.id)
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names[node.value.id, node.attr] = None
            words.append(f"{node.value.id}.{node.attr}")
            return
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_PACKAGE):
            for alias in node.names:
                imports[alias.asname or alias.name] = (node.module, alias.name)
        documented = isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None
        for field in node._fields:
            value = getattr(node, field, None)
            if value is not None:
                words.append(field)
                read(value[1:] if documented and field == "body" else value)
        words.append(".")

    read(statement)
    return _Statement(" ".join(words), tuple(names), imports)


def _reach(module: str, name: str, own: str, reached: dict[tuple[str, str], str]) -> None:
    """Add a top-level name, and what it refers to, unless it is outside of where content is made."""
    if (module, name) in reached or not (module == own or _makes_content(module)):
        return
    found = _module(module)
    if name in found.imports:
        _reach(*_imported(*found.imports[name]), own, reached)
        return
    reached[module, name], symbols = _definition(module, name)
    for symbol in symbols:
        _reach(*symbol, own, reached)
    if module != own:
        _reach(module, "", own, reached)


@functools.cache
def _definition(module: str, name: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What stands under a top-level name, and the names it refers to."""
    found = _module(module)
    statements = found.nodes.get(name, [])
    symbols = {symbol: None for statement in statements for symbol in _symbols(found, statement)}
    return "\n".join(statement.text for statement in statements), tuple(symbols)


def _symbols(module: _Module, statement: _Statement) -> Iterator[tuple[str, str]]:
    """Top-level names of our modules that a statement refers to, as (module, name)."""
    for name, attribute in statement.names:
        if name in module.nodes:
            yield module.name, name
        elif name in module.imports:
            source, imported = _imported(*module.imports[name])
            if imported:
                yield source, imported
            elif attribute:
                yield source, attribute
            else:
                # A module that is passed around: anything of it may be called.
                yield from ((source, each) for each in _module(source).nodes)


@functools.cache
def _imported(module: str, name: str) -> tuple[str, str]:
    """What ``from module import name`` gives: a module (with an empty name) or a name in one."""
    inner = f"{module}.{name}"
    return (inner, "") if _path(inner) else (module, name)


@functools.cache
def _path(module: str) -> Path | None:
    """The file of one of our modules. Nothing is imported for it: some modules are slow to import."""
    package, *parts = module.split(".")
    if package != _PACKAGE:
        return None
    folder = Path(coupang_assets.__file__).parent.joinpath(*parts)
    files = (folder.with_name(f"{folder.name}.py"), folder / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@functools.cache
def _makes_content(module: str) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in _PREFIXES)
