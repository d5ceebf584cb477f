"""Which classifier is the champion after a month (spec: `좋은 모델의 요소`, requirements before comparison).

A challenger takes over only if it holds the requirements and is significantly better than the champion on the same
titles; who was champion stays it otherwise. Where there is no champion, the most accurate candidate that holds the
requirements becomes it. Belongs here: that decision. Does not: the record of it (`champion_record`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.requirements import Candidate, check_requirements
from coupang_assets.evaluation.significance import PairedTest, holm, paired_test
from coupang_assets.settings import ChampionSettings


class Outcome(StrEnum):
    """What a month's comparison led to."""

    FIRST = "first"
    KEPT = "kept"
    CHANGED = "changed"
    NONE = "none"


@dataclass(frozen=True)
class Comparison:
    """One candidate of a month.

    Attributes:
        name: of the classifier.
        unmet: requirements that it does not hold, with what was found.
        test: against the one it is compared with, the first of the pair; None for that one itself.
        p_holm: the test's p value, corrected for the number of candidates; None with `test`.
    """

    candidate: Candidate
    unmet: tuple[str, ...]
    test: PairedTest | None
    p_holm: float | None

    @property
    def name(self) -> str:
        return self.candidate.name


@dataclass(frozen=True)
class Decision:
    """Who is champion after a month, and why.

    Attributes:
        champion: name of the classifier; None where no candidate holds the requirements and there was none before.
        previous: who it was before.
        against: whom the candidates were compared with: the champion before, or else the new one.
        comparisons: every candidate, most accurate first.
    """

    champion: str | None
    previous: str | None
    outcome: Outcome
    reason: str
    against: str | None
    comparisons: tuple[Comparison, ...]

    @property
    def unmet(self) -> tuple[str, ...]:
        """Requirements the champion does not hold."""
        return next((c.unmet for c in self.comparisons if c.name == self.champion), ())


def decide(candidates: Sequence[Candidate], previous: str | None, demanded: ChampionSettings) -> Decision:
    """Compare a month's candidates.

    Args:
        candidates: each judged on the same titles.
        previous: the champion before this month; one that is not among the candidates counts as none.

    Raises:
        CoupangAssetsError: no candidate, or they were judged on different titles.
    """
    if not candidates:
        raise CoupangAssetsError("no classifier was judged", "materialize the reports of the classifiers first")
    if len({candidate.held_out for candidate in candidates}) > 1:
        names = ", ".join(sorted(candidate.name for candidate in candidates))
        raise CoupangAssetsError(
            f"{names} were judged on different titles", "materialize the reports of all classifiers again"
        )
    ranked = sorted(candidates, key=_best_first)
    unmet = {candidate.name: _unmet(candidate, demanded) for candidate in ranked}
    holding = [candidate for candidate in ranked if not unmet[candidate.name]]
    incumbent = next((candidate for candidate in ranked if candidate.name == previous), None)
    against = incumbent or next(iter(holding), None)
    comparisons = _compare(ranked, against, unmet)
    champion, outcome, reason = _verdict(comparisons, incumbent, previous, demanded)
    return Decision(champion, previous, outcome, reason, against.name if against else None, comparisons)


def _best_first(candidate: Candidate) -> tuple[float, float, str]:
    accuracy, paths = candidate.figures["accuracy"], candidate.figures["hierarchical_f1"]
    return -(accuracy or 0.0), -(paths or 0.0), candidate.name


def _unmet(candidate: Candidate, demanded: ChampionSettings) -> tuple[str, ...]:
    return tuple(
        f"{requirement.name} ({requirement.found})" if requirement.found else requirement.name
        for requirement in check_requirements(candidate, demanded)
        if not requirement.holds
    )


def _compare(
    ranked: Sequence[Candidate], against: Candidate | None, unmet: dict[str, tuple[str, ...]]
) -> tuple[Comparison, ...]:
    if against is None:
        return tuple(Comparison(candidate, unmet[candidate.name], None, None) for candidate in ranked)
    others = [candidate for candidate in ranked if candidate is not against]
    tests = [paired_test(candidate.right, against.right) for candidate in others]
    corrected = holm([test.p_value for test in tests])
    compared = {c.name: (test, p) for c, test, p in zip(others, tests, corrected, strict=True)}
    return tuple(Comparison(c, unmet[c.name], *compared.get(c.name, (None, None))) for c in ranked)


def _verdict(
    comparisons: Sequence[Comparison], incumbent: Candidate | None, previous: str | None, demanded: ChampionSettings
) -> tuple[str | None, Outcome, str]:
    if incumbent is None:
        best = next((c for c in comparisons if not c.unmet), None)
        gone = f"{previous} is no candidate any more; " if previous else ""
        if best is None:
            return None, Outcome.NONE, f"{gone}no candidate holds the requirements"
        outcome = Outcome.CHANGED if previous else Outcome.FIRST
        return best.name, outcome, f"{gone}{best.name} is the most accurate candidate that holds the requirements"
    better = [c for c in comparisons if c.test is not None and c.test.only_first > c.test.only_second]
    significant = [c for c in better if c.p_holm is not None and c.p_holm < demanded.significance]
    winner = next((c for c in significant if not c.unmet), None)
    if winner is not None and winner.test is not None:
        reason = (
            f"{winner.name} holds the requirements and is significantly better than {incumbent.name}: "
            f"{winner.test.only_first} titles only it has right, {winner.test.only_second} only the other, "
            f"p = {winner.p_holm:.2g}"
        )
        return winner.name, Outcome.CHANGED, reason
    if significant:
        unmet = "; ".join(f"{c.name}: {', '.join(c.unmet)}" for c in significant)
        return incumbent.name, Outcome.KEPT, f"what is significantly better does not hold the requirements: {unmet}"
    if better:
        return incumbent.name, Outcome.KEPT, f"no candidate is significantly better than {incumbent.name}"
    return incumbent.name, Outcome.KEPT, f"no candidate is better than {incumbent.name}"
