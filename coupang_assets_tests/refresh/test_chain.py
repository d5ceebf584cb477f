"""What is run after a change, over 130 months of the real graph: exactly what must be."""

import time
from collections.abc import Callable, Iterable

import pytest

from coupang_assets.datasets import DATASETS, Step
from coupang_assets.definitions import build_defs
from coupang_assets.months import add_months
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Outcome
from coupang_assets.refresh.plan import State, plan
from coupang_assets.settings import Settings
from coupang_assets_tests.refresh.chain import Chain, long_chain

MONTHS = [add_months("2014_01", n) for n in range(130)]
FIRST, CHANGED, NEXT, LAST = MONTHS[0], MONTHS[60], MONTHS[61], MONTHS[-1]
AFTER_CHANGED = MONTHS[61:]

STEP_6 = {name for name, dataset in DATASETS.items() if dataset.step in (Step.CLASSIFIER, Step.EVALUATION)}
FROM_DICTIONARY = {"category_merge", "cate_dictionary", "define_dailies", "rt_category_info_coupang"} | STEP_6
# What is made when nothing but the number of rows of known categories has changed.
SAME_CATEGORIES = {
    "raw_dailies", "new_unique", "crawl_candidates", "updated_unique", "diff_data", "crawl_journal", "category_merge",
    "cate_dictionary", "define_dailies",
} | STEP_6  # fmt: skip

Runs = set[tuple[str, str]]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return Graph.of(build_defs(Settings(_env_file=None, root=tmp_path_factory.mktemp("graph") / "root")))


@pytest.fixture(scope="module")
def made(graph: Graph) -> Chain:
    return long_chain(graph, MONTHS)


@pytest.fixture
def chain(made: Chain) -> Chain:
    return made.copy()


def of(months: Iterable[str], names: Iterable[str]) -> Runs:
    return {(month, name) for month in months for name in names}


def all_names(chain: Chain) -> set[str]:
    return {node.name for node in chain.graph.nodes}


# Each case: what a person or the world does, and what is run because of it.


def nothing(chain: Chain) -> Runs:
    return set()


def source_observed_again(chain: Chain) -> Runs:
    chain.events[CHANGED] = tuple(chain.events[CHANGED])
    return set()


def one_day_has_more_rows(chain: Chain) -> Runs:
    chain.events[CHANGED] = (f"rows:{CHANGED}:2", f"categories:{CHANGED}:1")
    return of([CHANGED], SAME_CATEGORIES)


def one_day_has_a_new_category(chain: Chain) -> Runs:
    chain.events[CHANGED] = (f"rows:{CHANGED}:2", f"categories:{CHANGED}:2")
    later = {"updated_unique", "diff_data", "crawl_journal", "coupang_cate_all"} | FROM_DICTIONARY
    return of([CHANGED], all_names(chain)) | of(AFTER_CHANGED, later)


def category_renamed_and_asked_again(chain: Chain) -> Runs:
    """It goes on into every later dictionary."""
    chain.ask_again(CHANGED, "renamed")
    dictionary = {"coupang_cate_all"} | FROM_DICTIONARY
    return of([CHANGED], dictionary) | of(AFTER_CHANGED, {"crawl_journal"} | dictionary)


def merge_rules_code(chain: Chain) -> Runs:
    chain.change_code("category_merge", "otherwise")
    return of(MONTHS, FROM_DICTIONARY)


def merge_rules_code_without_effect(chain: Chain) -> Runs:
    chain.change_code("category_merge")
    return of(MONTHS, {"category_merge"})


def code_of_the_first_step_without_effect(chain: Chain) -> Runs:
    chain.change_code("raw_dailies")
    return of(MONTHS, {"raw_dailies"})


def training_cap(chain: Chain) -> Runs:
    chain.change_setting("coupang_train", "training.cap", 100)
    return of(MONTHS, STEP_6)


def dictionary_edited_by_hand(chain: Chain) -> Runs:
    chain.edits[CHANGED, "coupang_cate_all"] = "by hand"
    return of([CHANGED], FROM_DICTIONARY) | of(AFTER_CHANGED, {"coupang_cate_all"} | FROM_DICTIONARY)


def baseline_edited_by_hand(chain: Chain) -> Runs:
    chain.edits[CHANGED, "updated_unique"] = "by hand"
    later = {"updated_unique", "diff_data", "crawl_journal", "coupang_cate_all"} | FROM_DICTIONARY
    return of(AFTER_CHANGED, later)


def file_deleted(chain: Chain) -> Runs:
    chain.gone.add((CHANGED, "coupang_cate_all"))
    return {(CHANGED, "coupang_cate_all")}


def file_that_is_not_for_editing_changed(chain: Chain) -> Runs:
    chain.edits[CHANGED, "coupang_train"] = "by hand"
    return {(CHANGED, "coupang_train")}


def crawl_that_stopped_early(chain: Chain) -> Runs:
    manifest = chain.manifests[CHANGED, "crawl_journal"]
    asked = {f"coupang_shop@{CHANGED}": "stopped early: refused"}
    chain.manifests[CHANGED, "crawl_journal"] = manifest.model_copy(
        update={"inputs": {**(manifest.inputs or {}), **asked}}
    )
    return {(CHANGED, "crawl_journal")}


def month_never_made(chain: Chain) -> Runs:
    for name in all_names(chain):
        del chain.manifests[LAST, name]
    return of([LAST], all_names(chain))


def library(chain: Chain) -> Runs:
    chain._change_node("bpe_tokenizer", libraries={"sentencepiece": "9.9"})
    return of(MONTHS, {"bpe_tokenizer"})


CASES: list[Callable[[Chain], Runs]] = [
    nothing,
    source_observed_again,
    one_day_has_more_rows,
    one_day_has_a_new_category,
    category_renamed_and_asked_again,
    merge_rules_code,
    merge_rules_code_without_effect,
    code_of_the_first_step_without_effect,
    training_cap,
    dictionary_edited_by_hand,
    baseline_edited_by_hand,
    file_deleted,
    file_that_is_not_for_editing_changed,
    crawl_that_stopped_early,
    month_never_made,
    library,
]


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__)
def test_a_single_change_runs_exactly_what_it_must(chain: Chain, change: Callable[[Chain], Runs]) -> None:
    expected = change(chain)
    planned = plan(chain.graph, chain, MONTHS)
    announced = {(s.month, s.name) for s in planned.values() if s.must_run or s.waiting_for}
    ran = chain.ran(MONTHS)
    assert ran == expected
    assert ran <= announced, "what is run was stale or waiting in the plan"
    assert chain.ran(MONTHS) == set(), "a second refresh finds nothing to do"
    assert {s.state for s in plan(chain.graph, chain, MONTHS).values()} <= {State.FRESH, State.EDITED}


def test_only_the_months_asked_for_are_run(chain: Chain) -> None:
    chain.change_setting("coupang_train", "training.cap", 100)
    assert chain.ran([CHANGED]) == of([CHANGED], STEP_6)
    assert chain.ran(MONTHS) == of(set(MONTHS) - {CHANGED}, STEP_6)


def test_a_stale_month_says_what_is_stale_later_because_of_it(chain: Chain) -> None:
    chain.edits[CHANGED, "coupang_cate_all"] = "by hand"
    statuses = plan(chain.graph, chain, MONTHS)
    assert statuses[f"coupang_cate_all@{CHANGED}"].state is State.EDITED
    direct = statuses[f"coupang_cate_all@{NEXT}"]
    assert direct.state is State.UPSTREAM
    assert direct.cause == f"coupang_cate_all@{CHANGED}"
    far = statuses[f"btm_percent_dict@{LAST}"]
    assert far.state is State.WAITING
    assert far.cause == f"coupang_cate_all@{CHANGED}"
    assert statuses[f"btm_percent_dict@{MONTHS[59]}"].state is State.FRESH


@pytest.mark.parametrize("failed", ["failing", "failed_checks"])
def test_what_fails_stops_what_follows_and_nothing_else(chain: Chain, failed: str) -> None:
    chain.change_code("coupang_cate_all", "otherwise")
    chain.change_code("crawl_candidates")
    getattr(chain, failed).add((CHANGED, "coupang_cate_all"))
    steps = {(step.month, step.name): step for step in chain.refresh([CHANGED, NEXT])}
    assert steps[CHANGED, "coupang_cate_all"].outcome is Outcome.FAILED
    assert steps[CHANGED, "crawl_candidates"].outcome is Outcome.UNCHANGED
    assert steps[NEXT, "crawl_candidates"].outcome is Outcome.UNCHANGED
    left_out = of([CHANGED], FROM_DICTIONARY) | of([NEXT], {"coupang_cate_all"} | FROM_DICTIONARY)
    assert {key for key, step in steps.items() if step.outcome is Outcome.LEFT_OUT} == left_out
    assert steps[NEXT, "coupang_cate_all"].why == f"comes after coupang_cate_all@{CHANGED}"
    # The next refresh does not build upon it either.
    chain.runs.clear()
    chain.refresh([CHANGED])
    assert chain.runs == [(CHANGED, "coupang_cate_all")]
    getattr(chain, failed).clear()
    again = {"coupang_cate_all"} if failed == "failing" else set()
    assert chain.ran([CHANGED]) == of([CHANGED], again | FROM_DICTIONARY)


def test_an_edit_whose_own_inputs_change_is_not_overwritten_unless_asked(chain: Chain) -> None:
    chain.edits[CHANGED, "coupang_cate_all"] = "by hand"
    chain.refresh([CHANGED])
    chain.change_code("coupang_cate_all", "otherwise")
    steps = {step.name: step for step in chain.refresh([CHANGED])}
    assert steps["coupang_cate_all"].outcome is Outcome.STOPPED
    assert "--discard-edits" in steps["coupang_cate_all"].why
    assert {step.outcome for name, step in steps.items() if name in FROM_DICTIONARY} == {Outcome.LEFT_OUT}
    assert chain.edits, "the person's work is still there"
    assert chain.ran([CHANGED], discard_edits=True) == of([CHANGED], {"coupang_cate_all"} | FROM_DICTIONARY)
    assert not chain.edits


def test_a_restored_version_is_kept_and_followed(chain: Chain) -> None:
    older = chain.manifests[CHANGED, "coupang_cate_all"]
    content = chain.contents[CHANGED, "coupang_cate_all"]
    chain.ask_again(CHANGED, "renamed")
    chain.refresh(MONTHS)
    chain.manifests[CHANGED, "coupang_cate_all"] = older.model_copy(update={"origin": "restored"})
    chain.contents[CHANGED, "coupang_cate_all"] = content
    status = plan(chain.graph, chain, [CHANGED])[f"coupang_cate_all@{CHANGED}"]
    assert "kept as restored" in status.text
    expected = of([CHANGED], FROM_DICTIONARY)
    assert chain.ran([CHANGED]) == expected
    assert chain.ran([CHANGED], discard_edits=True) == expected | {(CHANGED, "coupang_cate_all")}


def test_a_month_made_later_becomes_the_base_unless_a_person_named_another(chain: Chain) -> None:
    gap, after = MONTHS[80], MONTHS[81]
    short = Chain(chain.graph, events=chain.events)
    short.refresh([month for month in MONTHS[78:83] if month != gap])
    assert short.manifests[after, "updated_unique"].base_month == MONTHS[79]
    named = short.copy()
    for name in ("updated_unique", "diff_data", "coupang_cate_all"):
        key = (after, name)
        named.manifests[key] = named.manifests[key].model_copy(update={"base_requested": True})
    for one in (short, named):
        assert one.ran([gap]) == of([gap], all_names(chain))
    based = {"updated_unique", "diff_data", "crawl_journal", "coupang_cate_all"}
    statuses = plan(short.graph, short, MONTHS[78:83])
    assert {statuses[f"{name}@{after}"].state for name in based} == {State.BASE}
    assert short.ran([after]) == of([after], based | FROM_DICTIONARY)
    assert short.manifests[after, "updated_unique"].base_month == gap
    assert plan(named.graph, named, [after])[f"updated_unique@{after}"].state is State.FRESH
    named.ran([after])
    assert named.manifests[after, "updated_unique"].base_month == MONTHS[79]


def test_what_was_written_before_us_is_taken_as_it_is(chain: Chain) -> None:
    for name in all_names(chain):
        key = (CHANGED, name)
        adopted = {"origin": "adopted", "inputs": None, "code_version": None, "settings": {}, "libraries": {}}
        chain.manifests[key] = chain.manifests[key].model_copy(update=adopted)
    assert chain.ran(MONTHS) == set()


def test_130_months_are_planned_at_once(chain: Chain) -> None:
    started = time.perf_counter()
    statuses = plan(chain.graph, chain, MONTHS)
    assert len(statuses) == 130 * len(chain.graph.nodes)
    assert time.perf_counter() - started < 5


def test_the_order_is_that_of_the_graph_with_the_base_month_settled_first(graph: Graph) -> None:
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    assert all(places[name] < places[node.name] for node in graph.nodes for name in (*node.inputs, *node.after))
    assert {node.name for node in graph.nodes if node.earlier} == {
        "updated_unique", "diff_data", "crawl_journal", "coupang_cate_all", "champion",
    }  # fmt: skip
    assert "recheck" not in places
    assert graph.following("coupang_train") == STEP_6 - {"coupang_train"}
