"""The record lasts, is only ever added to, and says what a killed run left."""

from pathlib import Path

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.champion import decide
from coupang_assets.evaluation.champion_record import ChampionEntry, append_champion, read_champions
from coupang_assets.settings import ChampionSettings
from coupang_assets_tests.evaluation.candidates import candidate

DEMANDED = ChampionSettings()


def entry(month: str, *names: str, previous: str | None = None, seconds: float = 10.0) -> ChampionEntry:
    """The decision of a month in which the first of `names` is the best by far."""
    candidates = [candidate(name, 950 - 50 * place, training_seconds=seconds) for place, name in enumerate(names)]
    return ChampionEntry.of(month, decide(candidates, previous, DEMANDED), DEMANDED.model_dump(mode="json"), "run")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root" / "champions.jsonl"


def test_what_was_appended_is_read_back(path: Path) -> None:
    assert read_champions(path).entries == ()
    written = [entry("2024_05", "biterm", "svm"), entry("2024_06", "svm", "biterm", previous="biterm")]
    assert [append_champion(path, one) for one in written] == [True, True]
    record = read_champions(path)
    assert [one.champion for one in record.entries] == ["biterm", "svm"]
    assert [one.timings for one in record.entries] == [one.timings for one in written]
    assert record.torn == ()


def test_months_ask_for_what_holds_for_them(path: Path) -> None:
    for one in (entry("2024_08", "svm"), entry("2024_05", "biterm"), entry("2024_05", "fasttext")):
        append_champion(path, one)
    record = read_champions(path)
    month = record.of_month("2024_05")
    assert month is not None and month.champion == "fasttext", "the last line of a month holds"
    assert record.before("2024_05") is None and record.of_month("2024_06") is None
    found = [record.up_to(month) for month in ("2024_04", "2024_05", "2024_07", "2024_08", "2024_09")]
    assert [one and one.champion for one in found] == [None, "fasttext", "fasttext", "svm", "svm"]


def test_the_same_decision_again_is_no_new_line_though_times_differ(path: Path) -> None:
    assert append_champion(path, entry("2024_05", "biterm", "svm"))
    before = path.read_bytes()
    assert not append_champion(path, entry("2024_05", "biterm", "svm", seconds=11.0))
    assert path.read_bytes() == before
    assert append_champion(path, entry("2024_05", "svm", "biterm"))
    assert path.read_bytes().startswith(before), "nothing that stood there is touched"


def test_a_torn_last_line_is_told_and_does_not_spoil_what_follows(path: Path) -> None:
    append_champion(path, entry("2024_05", "biterm"))
    append_champion(path, entry("2024_06", "svm"))
    torn = path.read_bytes()[:-40]
    path.write_bytes(torn)
    record = read_champions(path)
    assert [one.month for one in record.entries] == ["2024_05"] and record.torn == (2,)
    append_champion(path, entry("2024_06", "fasttext"))
    record = read_champions(path)
    assert [one.champion for one in record.entries] == ["biterm", "fasttext"] and record.torn == (2,)
    assert path.read_bytes().startswith(torn), "what the killed run left is kept"


@pytest.mark.parametrize("damage", ["{}", "[1]", "no JSON", '{"month": "2024_05"}'])
def test_another_damage_is_an_error_that_names_the_line(path: Path, damage: str) -> None:
    append_champion(path, entry("2024_05", "biterm"))
    with path.open("a") as file:
        file.write(f"{damage}\n")
    append = entry("2024_06", "svm")
    for attempt in (lambda: read_champions(path), lambda: append_champion(path, append)):
        with pytest.raises(CoupangAssetsError, match=r"champions\.jsonl, line 2 is damaged"):
            attempt()
