"""Who predicts, and how a person learns why."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from coupang_assets.commands.champion import show_champion
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.champion import decide
from coupang_assets.evaluation.champion_record import CHAMPIONS_FILE, ChampionEntry, append_champion
from coupang_assets.serving.choice import choose_model
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets_tests.evaluation.candidates import candidate


def record(settings: Settings, month: str, previous: str | None, **accuracy: int) -> Path:
    """Append a month's decision between classifiers with so many of 1,000 titles right."""
    decision = decide([candidate(name, right) for name, right in accuracy.items()], previous, settings.champion)
    path = settings.root / CHAMPIONS_FILE
    append_champion(path, ChampionEntry.of(month, decision, settings.champion.model_dump(mode="json"), "run"))
    return path


def shown(settings: Settings, history: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160)
    show_champion(settings, history, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_champion_predicts_in_its_month_and_after_it_until_the_next(settings: Settings, layout: Layout) -> None:
    record(settings, "2024_05", None, biterm=900, svm=880)
    record(settings, "2024_07", "biterm", biterm=900, svm=950)
    found = {month: choose_model(layout, month).name for month in ("2024_05", "2024_06", "2024_07", "2024_08")}
    assert found == {"2024_05": "biterm", "2024_06": "biterm", "2024_07": "svm", "2024_08": "svm"}
    assert choose_model(layout, "2024_06").why == "biterm predicts: champion of 2024_05"


def test_another_model_predicts_when_asked_and_one_that_is_not_there_is_refused(layout: Layout) -> None:
    assert choose_model(layout, "2024_05", "svm").name == "svm"
    with pytest.raises(CoupangAssetsError, match="no classifier 'bert'"):
        choose_model(layout, "2024_05", "bert")


def test_without_a_champion_it_is_said_who_predicts_instead(settings: Settings, layout: Layout) -> None:
    choice = choose_model(layout, "2024_05")
    assert choice.name == "biterm" and "no champion has been looked for" in choice.why
    record(settings, "2024_05", None, biterm=500, svm=600)
    choice = choose_model(layout, "2024_05")
    assert choice.name == "svm" and "no champion: no candidate holds the requirements" in choice.why


def test_the_record_is_shown_with_what_each_decision_rested_on(settings: Settings) -> None:
    assert "no champion yet" in shown(settings)
    record(settings, "2024_05", None, biterm=900, svm=600)
    record(settings, "2024_06", "biterm", biterm=900, svm=950)
    text = shown(settings)
    assert "2024_06: svm; svm holds the requirements and is significantly better than biterm" in text
    assert "titles only biterm has right" in text and "95.0%" in text
    assert "2024_05" not in text
    text = shown(settings, history=True)
    assert text.index("2024_05") < text.index("2024_06")
    assert "biterm is the most accurate candidate that holds the requirements" in " ".join(
        text.replace("│", "").split()
    )


def test_requirements_that_are_not_held_are_named(settings: Settings) -> None:
    record(settings, "2024_05", None, biterm=900, svm=600)
    assert "svm does not hold: accuracy at least 70.0% (60.0%)" in shown(settings)


def test_a_torn_record_is_told_and_the_rest_still_holds(settings: Settings, layout: Layout) -> None:
    path = record(settings, "2024_05", None, biterm=900)
    with path.open("a") as file:
        file.write('{"month": "2024_06", "champ')
    assert "Line 2 of champions.jsonl was left by a killed run" in shown(settings)
    assert choose_model(layout, "2024_06").name == "biterm"
