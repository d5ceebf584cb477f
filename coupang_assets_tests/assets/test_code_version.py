"""The version of an asset's code: what changes it, and what does not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import coupang_assets
from coupang_assets.assets import code_version as module
from coupang_assets.assets.code_version import code_version
from coupang_assets.datasets import CATE_DICTIONARY, CATEGORY_MERGE
from coupang_assets.definitions import build_defs
from coupang_assets.settings import Settings
from coupang_assets.storage.made_from import Definition

PACKAGE = Path(coupang_assets.__file__).parent


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str, str, str], None]]:
    """Changes the source of one of our modules, as the search for code sees it."""
    real = module._path

    def edit(file: str, old: str, new: str) -> None:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        assert old in text
        changed = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        changed.write_text(text.replace(old, new), encoding="utf-8")
        name = ".".join((PACKAGE.name, *Path(file).with_suffix("").parts))
        monkeypatch.setattr(module, "_path", lambda wanted: changed if wanted == name else real(wanted))
        forget()

    yield edit
    monkeypatch.undo()
    forget()


def forget() -> None:
    for known in (module._module, module._definition):
        known.cache_clear()


def versions(settings: Settings) -> dict[str, str | None]:
    specs = build_defs(settings).resolve_all_asset_specs()
    return {spec.key.to_user_string(): Definition.of(spec).code_version for spec in specs}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("pipeline/training_set.py", "rows.place < cap", "rows.place <= cap", {"coupang_train"}),
        (
            "pipeline/refinement.py",
            "def dictionary(",
            "def unused() -> None:\n    pass\n\n\ndef dictionary(",
            set(),
        ),
        ("pipeline/training_set.py", "# Hashed again", "# Hashed", set()),
        ("pipeline/training_set.py", '"""``coupang_train``.', '"""Training.', set()),
        ("crawling/parsers.py", "names[:MAX_LEVELS], parser", "names[:4], parser", {"crawl_journal", "recheck"}),
    ],
    ids=["rule", "function that nobody calls", "comment", "docstring", "parser in another process"],
)
def test_exactly_what_follows_the_changed_code_has_another_version(
    settings: Settings, edited: Callable[..., None], file: str, old: str, new: str, changed: set[str]
) -> None:
    before = versions(settings)
    edited(file, old, new)
    after = versions(settings)
    assert {name for name in before if after[name] != before[name]} == changed


def test_a_rule_two_calls_away_counts(settings: Settings, edited: Callable[..., None]) -> None:
    before = versions(settings)
    edited("pipeline/codes.py", "[0-9]{1,9}", "[0-9]{1,8}")
    after = versions(settings)
    assert "raw_dailies" in {name for name in before if after[name] != before[name]}


def test_the_columns_that_are_made_count() -> None:
    def make() -> int:
        return 1

    assert code_version(CATE_DICTIONARY, make) != code_version(CATEGORY_MERGE, make)


def test_the_function_itself_counts_and_its_decorators_do_not() -> None:
    def decorated(kinds: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
        return lambda function: function

    @decorated(kinds="a")
    def make() -> int:
        return 1

    first = code_version(CATE_DICTIONARY, make)

    @decorated(kinds="b")
    def make() -> int:
        """The same."""
        return 1

    assert code_version(CATE_DICTIONARY, make) == first

    @decorated(kinds="b")
    def make() -> int:
        return 2

    assert code_version(CATE_DICTIONARY, make) != first
