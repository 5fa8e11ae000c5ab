"""The published claims: read from `data/claims.yml`, checked, and judged on a table of results."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import checks, paths
from helpers.claims import evidence, reading, rules
from helpers.claims.judgement import Judgement
from helpers.claims.rules import EXPECTATIONS, RuleOutcome
from helpers.errors import StudyError
from helpers.parity import ASPECTS
from helpers.results.pairs import CONDITIONS, MEASURES, TIMED

# kind -> (settings it must have, settings it may have)
KINDS = {
    "compare": (
        {"pipeline", "reference", "expect"},
        {"cells", "measure", "take", "margin", "despite", "as_many", "until"},
    ),
    "trend": ({"pipeline", "reference", "along", "expect"}, {"cells", "measure", "margin", "apart_from"}),
    "differ": ({"pipeline", "expect"}, {"cells"}),
    "shown": ({"by"}, set()),
    "not testable": ({"why"}, set()),
}
CHOICES: dict[str, dict[str, tuple[str | bool, ...]]] = {
    "compare": {
        "expect": tuple(EXPECTATIONS),
        "measure": tuple(MEASURES),
        "take": ("all", "best"),
        "as_many": (True, False),
        "until": (True, False),
    },
    "trend": {"expect": rules.TRENDS, "measure": TIMED, "along": CONDITIONS},
    "differ": {"expect": ("different", "same")},
    "shown": {"by": evidence.names()},
    "not testable": {},
}


@dataclass(frozen=True)
class Rule:
    """One rule of a claim: its kind, what it says in words, and its settings."""

    kind: str
    says: str
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One published claim.

    Attributes:
        id: short name, such as A1.
        claim: in our words.
        source: where it was made.
        reads: how the rules read the sentence; "" where it was not said.
        tests: the rules; all of them must hold.
        sweep: the grid that has their cells; "": the full sweep.
    """

    id: str
    claim: str
    source: str
    reads: str
    tests: tuple[Rule, ...]
    sweep: str = ""


def load(path: str | Path | None = None) -> list[Claim]:
    """Reads and checks a file of claims; its form is explained at the head of `data/claims.yml`.

    Args:
        path: None: the project's `data/claims.yml`.

    Raises:
        StudyError: where it is not there, is no YAML, or a claim is not as it must be.
    """
    path = Path(path) if path else paths.project_root() / "data" / "claims.yml"
    listed = reading.content_of(path, "claims")["claims"]
    claims = [_claim(path.name, number, entry) for number, entry in enumerate(listed, start=1)]
    reading.require_own_ids((claim.id for claim in claims), path.name, "claim")
    return claims


def judge(claims: list[Claim], results: pd.DataFrame, *, shown: dict | None = None) -> pd.DataFrame:
    """Judges every claim on one machine's results.

    Args:
        claims: from `load`.
        results: rows of one machine, from `results.read`.
        shown: evidence by name, from `evidence.collect`; None: what the claims ask for is tried now.

    Returns:
        A table: id, claim, reads, verdict, evidence, crossover, needs; one row per claim.

    Raises:
        StudyError: where the rows are of several machines.
    """
    rules.require_one_machine(results)
    if shown is None:
        shown = evidence.collect(wanted_evidence(claims))
    outcomes = [combine([(rule.says, decide(rule, results, shown)) for rule in claim.tests]) for claim in claims]
    return pd.DataFrame(
        {
            "id": [claim.id for claim in claims],
            "claim": [claim.claim for claim in claims],
            "reads": [claim.reads for claim in claims],
            "verdict": [outcome.verdict.value for outcome in outcomes],
            "evidence": [outcome.evidence for outcome in outcomes],
            "crossover": [outcome.crossover for outcome in outcomes],
            "needs": [_needs(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)],
        }
    )


def _needs(claim, outcome):
    return outcome.needs.replace(rules.FULL_SWEEP, f"the sweep {claim.sweep}") if claim.sweep else outcome.needs


def wanted_evidence(claims: list[Claim]) -> tuple[str, ...]:
    """Returns the names of the evidence that the claims ask for."""
    return tuple(dict.fromkeys(rule.settings["by"] for claim in claims for rule in claim.tests if rule.kind == "shown"))


def decide(rule: Rule, results: pd.DataFrame, shown: dict) -> RuleOutcome:
    """Returns what one rule finds."""
    if rule.kind == "not testable":
        return RuleOutcome(Judgement.NOT_TESTABLE, rule.settings["why"])
    if rule.kind == "shown":
        tried = shown[rule.settings["by"]]
        return RuleOutcome(tried.verdict, tried.text, needs=tried.needs)
    return rules.RULES[rule.kind](results, **rule.settings)


def combine(parts: list[tuple[str, RuleOutcome]]) -> RuleOutcome:
    """Makes one verdict of a claim's rules.

    Supported or refuted where all rules that can be tested agree; depends where they do not, or one of them
    does; undecided yet while a rule lacks its cells and the others agree.

    Args:
        parts: what each rule says in words, and what it found.
    """
    if len(parts) == 1:
        return parts[0][1]
    testable = [outcome for _, outcome in parts if outcome.verdict != Judgement.NOT_TESTABLE]
    decided = {outcome.verdict for outcome in testable if outcome.verdict != Judgement.UNDECIDED}
    if not testable:
        verdict = Judgement.NOT_TESTABLE
    elif len(decided) > 1 or Judgement.DEPENDS in decided:
        verdict = Judgement.DEPENDS
    elif Judgement.UNDECIDED in {outcome.verdict for outcome in testable}:
        verdict = Judgement.UNDECIDED
    else:
        (verdict,) = decided
    numbered = [(f"({number})", says, outcome) for number, (says, outcome) in enumerate(parts, start=1)]
    told = [f"{number} {says}: {outcome.verdict}; {outcome.evidence}" for number, says, outcome in numbered]
    turns = [f"{number} {outcome.crossover}" for number, _, outcome in numbered if outcome.crossover]
    if verdict == Judgement.DEPENDS and len(decided - {Judgement.DEPENDS}) > 1:
        turns.insert(0, ", ".join(f"{number} {outcome.verdict}" for number, _, outcome in numbered))
    needs = [f"{number} {outcome.needs}" for number, _, outcome in numbered if outcome.needs]
    return RuleOutcome(verdict, "\n".join(told), crossover="; ".join(turns), needs="; ".join(needs))


def _claim(file, number, entry):
    if not isinstance(entry, dict) or not str(entry.get("id", "")).strip():
        raise StudyError(f"{file}: claim number {number} must be a mapping with an id (got {entry!r:.60})")
    name = f"{file}: claim {entry['id']}"
    _check_keys(name, entry, {"id", "claim", "source", "tests"}, {"reads", "sweep"})
    if not isinstance(entry["tests"], list) or not entry["tests"]:
        raise StudyError(f"{name}: tests must be a list of rules (got {entry['tests']!r:.60})")
    tests = tuple(_test(name, test, alone=len(entry["tests"]) == 1) for test in entry["tests"])
    claim, reads = (" ".join(str(entry.get(key, "")).split()) for key in ("claim", "reads"))
    return Claim(str(entry["id"]), claim, str(entry["source"]), reads, tests, str(entry.get("sweep", "")))


def _test(name, entry, *, alone):
    kind: Any = entry.get("kind") if isinstance(entry, dict) else entry
    checks.one_of(f"{name}: kind", kind, KINDS)
    must, may = KINDS[kind]
    _check_keys(name, entry, {"kind", *must} | (set() if alone else {"says"}), may | {"says"})
    settings = {key: value for key, value in entry.items() if key not in ("kind", "says")}
    for key, allowed in CHOICES[kind].items():
        if key in settings:
            checks.one_of(f"{name}: {key}", settings[key], allowed)
    checks.share(f"{name}: margin", settings.get("margin", 0.05), remedy="0.05 is 5%")
    _check_conditions(name, settings.get("cells", {}))
    if not isinstance(settings.get("apart_from", []), list):
        raise StudyError(f"{name}: apart_from must be a list of columns (got {settings['apart_from']!r:.60})")
    checks.known(f"{name}: a cell has no column", settings.get("apart_from", []), CONDITIONS)
    if not isinstance(settings.get("despite", []), list):
        raise StudyError(f"{name}: despite must be a list of aspects of parity (got {settings['despite']!r:.60})")
    checks.known(f"{name}: parity has no aspect", settings.get("despite", []), ASPECTS)
    for side in ("pipeline", "reference"):
        if side in settings:
            _check_pipeline(name, side, settings[side])
    return Rule(kind, " ".join(str(entry.get("says", "")).split()), settings)


def _check_keys(name, entry, must, may):
    for key in sorted(must - set(entry)):
        raise StudyError(f"{name}: it needs {key} (got {', '.join(map(str, entry))})")
    checks.known(f"{name}: unknown setting", entry, must | may)


def _check_conditions(name, cells):
    if not isinstance(cells, dict):
        raise StudyError(f"{name}: cells must map columns to values (got {cells!r:.60})")
    checks.known(f"{name}: a cell has no column", cells, CONDITIONS)
    for column, wanted in cells.items():
        if isinstance(wanted, dict) and not (
            wanted and set(wanted) <= {"from", "to"} and all(isinstance(end, int | float) for end in wanted.values())
        ):
            raise StudyError(f"{name}: a range of {column} must read {{from: 16, to: 64}} (got {wanted!r:.60})")


def _check_pipeline(name, side, wanted):
    from helpers import pipelines

    if not isinstance(wanted, dict) or not ({"builder", "pipeline"} & set(wanted)):
        raise StudyError(f"{name}: {side} must be a mapping with a builder or a pipeline label (got {wanted!r:.60})")
    builders = wanted.get("builder", list(pipelines.names()))
    builders = builders if isinstance(builders, list) else [builders]
    known = {"builder", "pipeline", "others"}
    for builder in builders:
        try:
            known |= set(pipelines.describe(builder).knobs)
        except StudyError as error:
            raise StudyError(f"{name}: {side}: {error}") from None
    checks.known(f"{name}: {side} has no knob", wanted, known)
    checks.one_of(f"{name}: others", wanted.get("others", "any"), ("any", "default"))
