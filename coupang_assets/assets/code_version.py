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
_PREFIXES = (
    *(f"{_PACKAGE}.{room}" for room in _ROOMS),
    *(f"{_PACKAGE}.crawling.{module}" for module in _CRAWLING),
)


def code_version(dataset: Dataset, function: Callable[..., Any], also: tuple[ModuleType, ...] = ()) -> str:
    """Version of the code that makes ``dataset``.

    Args:
        dataset: its columns, order and file names are a part of what is made.
        function: the asset's; what it calls of its own module, of ``pipeline``, ``classifiers``, ``evaluation``,
            ``products`` and the crawl's parsers is found, however far away.
        also: modules that are called in a way nobody can see, such as in another process; all of each counts.
    """
    reached: dict[tuple[str, str], str] = {}
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    tree.decorator_list = []
    own = _module(function.__module__)
    for symbol in _symbols(own, tree):
        _reach(*symbol, own.name, reached)
    for module in also:
        for name in _module(module.__name__).nodes:
            _reach(module.__name__, name, own.name, reached)
    columns = [(column.name, column.type, column.code) for column in dataset.columns]
    shape = repr((dataset.kind.value, dataset.paths, columns, dataset.unique, dataset.sort))
    lines = [shape, _text(tree), *(f"{key} {text}" for key, text in sorted(reached.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Module:
    """Top-level names of a module: what is defined under them, or where they are imported from.

    ``nodes`` has the statements without a name under ``""``.
    """

    name: str
    nodes: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str]]


@functools.cache
def _module(name: str) -> _Module:
    path = _path(name)
    if path is None:
        return _Module(name, {}, {})
    tree = ast.parse(path.read_bytes())
    nodes: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str]] = {}
    # Imports inside of functions count for the whole module: the same name is not imported from two places.
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_PACKAGE):
            for alias in node.names:
                imports[alias.asname or alias.name] = (node.module, alias.name)
    for statement in tree.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            for bound in _bound_names(statement):
                nodes.setdefault(bound, []).append(statement)
    return _Module(name, nodes, imports)


def _bound_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)] or [""]
    return [""]


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
    return "\n".join(_text(statement) for statement in statements), tuple(symbols)


def _symbols(module: _Module, tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Top-level names of our modules that ``tree`` refers to, as (module, name)."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.imports:
            source, name = _imported(*module.imports[node.value.id])
            if not name:
                inner.add(id(node.value))
                yield source, node.attr
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in inner:
            if node.id in module.nodes:
                yield module.name, node.id
            elif node.id in module.imports:
                source, name = _imported(*module.imports[node.id])
                # A module that is passed around: anything of it may be called.
                yield from ((source, each) for each in ([name] if name else _module(source).nodes))


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


def _makes_content(module: str) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in _PREFIXES)


def _text(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)
