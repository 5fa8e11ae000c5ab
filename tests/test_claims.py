"""Claims: their file, their rules, their verdicts."""

import sys
import sysconfig
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_results import cell, decisive, quick_like, table

from helpers import claims, report
from helpers.claims import Rule, evidence, rules
from helpers.claims.crossover import separators
from helpers.claims.evidence import Evidence, collection
from helpers.errors import StudyError
from helpers.results import pairs

SEQUENCE = {"builder": "py_dataset", "others": "default"}
TF_DATA = {"builder": "tf_data", "others": "default"}
IDS = [f"A{number}" for number in range(1, 13)] + [f"B{number}" for number in range(1, 9)]
IDS += [f"K{number}" for number in range(1, 5)]
SHOWN = {name: Evidence("supported", "made up") for name in evidence.names()}


def compare(results, **settings):
    return rules.compare(results, **{"pipeline": SEQUENCE, "reference": TF_DATA, "expect": "faster"} | settings)


def of(*ratios_by_batch, **columns):
    """A table with one cell per (batch size, time of the Sequence over tf.data's)."""
    return table(
        cell(seconds={"py_dataset": ratio, "tf_data": 1.0}, batch_size=batch, seed=batch, **columns)
        for batch, ratio in ratios_by_batch
    )


def test_the_file_holds_the_twenty_claims_of_the_two_answers_and_four_of_the_kits():
    assert [claim.id for claim in claims.load()] == IDS


def test_every_claim_says_how_its_rules_read_the_sentence():
    assert min(len(claim.reads) for claim in claims.load()) > 60


def verdicts(results, shown, judge=None):
    judged = claims.judge(claims.load() if judge is None else judge, results, shown=shown)
    assert list(judged.columns) == ["id", "claim", "reads", "verdict", "evidence", "crossover", "needs"]
    assert judged["evidence"].str.len().min() > 0
    undecided = judged["verdict"] == "undecided yet"
    assert judged.loc[undecided, "needs"].str.contains("the full sweep|the sweep alternatives.yml").all()
    return dict(zip(judged["id"], judged["verdict"], strict=True))


@pytest.mark.parametrize("claim", claims.load(), ids=IDS)
@pytest.mark.parametrize(("sign", "verdict"), [(1, "supported"), (-1, "refuted")])
def test_a_claim_is_supported_where_all_is_as_it_says_and_refuted_where_all_is_the_opposite(claim, sign, verdict):
    shown = {name: Evidence(verdict, "made up") for name in evidence.names()}
    results = decisive(claim.id, sign)
    parts = [claims.decide(rule, results, shown).verdict for rule in claim.tests]
    assert set(parts) <= {verdict, "not testable"}
    assert verdicts(results, shown, judge=[claim]) == {claim.id: verdict}


@pytest.mark.parametrize("name", evidence.names())
def test_each_evidence_decides_the_claims_that_ask_for_it_and_no_other(name):
    shown = [claim for claim in claims.load() if any(rule.kind == "shown" for rule in claim.tests)]
    asking = {claim.id for claim in shown if name in claims.wanted_evidence([claim])}
    assert asking
    alone = {"A3", "A5", "A9", "A11", "A12", "B3"}  # its only rule that can be tested
    found = verdicts(decisive("B1", 1), SHOWN | {name: Evidence("refuted", "made up")}, judge=shown)
    assert {id_: verdict for id_, verdict in found.items() if verdict != "supported"} == {
        id_: "refuted" if id_ in alone else "depends" for id_ in asking
    }


def test_on_the_quick_sweeps_cells_each_claim_gets_the_verdict_that_they_allow():
    assert verdicts(quick_like(), SHOWN) == dict.fromkeys(IDS, "supported") | {
        "A1": "depends",  # on the batch size
        "A2": "depends",
        "A6": "undecided yet",  # one value of shuffle, one size of image
        "A8": "depends",  # prefetch matters for one of the two transforms
        "B4": "undecided yet",  # no cache
        "B6": "depends",  # the Sequence's ratio rises, ImageDataGenerator's does not
        "B7": "undecided yet",
        "B1": "undecided yet",  # no one iterator for all epochs
        "K1": "undecided yet",
        "K2": "undecided yet",  # no Grain, no layers
        "K3": "undecided yet",
        "K4": "undecided yet",
    }


def test_a_claim_is_supported_where_it_holds_in_all_cells():
    assert compare(of((32, 0.8), (64, 0.7))).verdict == "supported"


def test_a_claim_is_refuted_where_it_holds_in_no_cell():
    assert compare(of((32, 1.3), (64, 1.0))).verdict == "refuted"


@pytest.mark.parametrize("batch_sizes_that_hold", [[16], [16, 64, 256]])
def test_a_claim_depends_where_one_cell_is_unlike_the_others(batch_sizes_that_hold):
    ratios = [(batch_size, 0.8 if batch_size in batch_sizes_that_hold else 1.3) for batch_size in (16, 64, 256, 1024)]
    assert compare(of(*ratios)).verdict == "depends"


def test_a_claim_depends_and_names_the_column_and_the_crossover():
    small, large = [(16 + number, 0.8) for number in range(4)], [(256 + number, 1.5) for number in range(4)]
    outcome = compare(of(*small, (64, 0.9), (240, 1.2), *large))
    assert outcome.verdict == "depends"
    assert outcome.crossover.startswith("batch_size: holds for 64 and below, by chance in ")
    assert 64 < int(outcome.crossover.split()[-1]) < 240


def by_transform(ratios_by_transform, *, sizes=(1,)):
    return table(
        cell(seconds={"py_dataset": ratio, "tf_data": 1.0}, transform=transform, examples=1000 * size, seed=size)
        for transform, ratio in ratios_by_transform
        for size in sizes
    )


def test_the_transform_is_named_where_it_separates():
    outcome = compare(by_transform((("noise", 0.8), ("resize_standardize", 1.6)), sizes=range(1, 6)))
    assert outcome.crossover.startswith("transform: holds for noise, by chance in ")


def test_a_column_that_chance_could_bring_is_not_named():
    outcome = compare(by_transform((("noise", 0.8), ("resize_standardize", 1.6))))
    assert outcome.verdict == "depends"
    assert outcome.crossover == "no single column separates the cells better than chance"


@pytest.mark.slow
def test_what_separates_nothing_is_named_in_one_of_twenty_tables_at_most():
    generator, named = np.random.default_rng(0), 0
    for _ in range(40):
        rows = pairs.pairs_of(of(*[(16 + number, 1.0) for number in range(14)]), pipeline=SEQUENCE, reference=TF_DATA)
        rows["holds"] = generator.permutation([True] * 7 + [False] * 7)
        named += not separators(rows).startswith("no single column")
    assert named <= 6  # of 40 at 5%: 7 or more come in 0.3% of such tests


def test_a_pipeline_is_named_where_it_separates():
    results = table(
        cell(
            seconds={"tf_data": 1.0, "py_dataset": 1.4, "py_dataset, 2 workers": 0.7},
            batch_size=16 + number,
            seed=number,
        )
        for number in range(8)
    )
    outcome = compare(results, pipeline={"builder": "py_dataset"})
    assert outcome.crossover.startswith("pipeline: holds for py_dataset, 2 workers, by chance in ")


def test_the_same_is_decided_within_the_margin():
    results = table([cell(seconds={"py_dataset": 1.01, "tf_data": 1.0}, rounds=20, noise=0.005)])
    assert compare(results, expect="same").verdict == "supported"
    assert compare(results, expect="faster").verdict == "refuted"


def test_wide_intervals_leave_a_claim_undecided_and_say_what_it_needs():
    results = table([cell(seconds={"py_dataset": 1.02, "tf_data": 1.0}, noise=0.5, rounds=6)])
    outcome = compare(results)
    assert outcome.verdict == "undecided yet"
    assert "more rounds" in outcome.needs
    (pair,) = outcome.pairs.itertuples()
    assert f"{max(pair.high, 1 / pair.low):.2f} times at most" in outcome.evidence


def test_a_claim_without_cells_needs_the_full_sweep():
    outcome = compare(of((32, 0.8)), cells={"transform": "resize_standardize"})
    assert outcome.verdict == "undecided yet" and outcome.needs.startswith("the full sweep")


def test_pipelines_of_unlike_work_are_never_compared_for_speed():
    unlike = table([cell(seconds={"py_dataset": 0.5, "tf_data": 1.0}, unlike=("py_dataset",))])
    assert compare(unlike).needs.startswith("the full sweep")


def test_a_figure_without_rounds_needs_as_many_cells_as_chance_would_not_bring():
    six = of(*[(16 + number, 0.5) for number in range(6)])
    outcome = compare(six, measure="cpu_us_per_image")
    assert outcome.verdict == "supported"
    assert "6 of 6 comparisons, 3 expected by chance; single figures without an interval" in outcome.evidence
    assert compare(six, measure="cpu_us_per_image", expect="slower").verdict == "refuted"
    few = compare(of(*[(16 + number, 0.5) for number in range(5)]), measure="cpu_us_per_image")
    assert (few.verdict, "at least 6 cells" in few.needs) == ("undecided yet", True)


def test_memory_counts_from_isolated_runs_only():
    shared = of((32, 0.5))
    assert "isolate" in compare(shared, measure="pipeline_rss_bytes", expect="more").needs


def test_the_best_of_each_side_is_compared_where_asked():
    results = table([cell(seconds={"py_dataset": 2.0, "py_dataset, 2 workers": 0.9, "tf_data": 1.0})])
    best = compare(results, pipeline={"builder": "py_dataset"}, take="best")
    assert best.verdict == "supported"
    assert compare(results, pipeline={"builder": "py_dataset"}).verdict == "depends"


def test_knobs_select_rows_and_default_means_not_set():
    rows = quick_like()
    untouched = pairs.select_pipelines(rows, {"builder": "tf_data", "prefetch": "default", "others": "default"})
    assert set(untouched["pipeline"]) == {"tf_data"}
    off = pairs.select_pipelines(rows, {"builder": "tf_data", "prefetch": 0})
    assert set(off["pipeline"]) == {"tf_data, unfused, no prefetch"}


def test_a_number_does_not_select_a_switch_of_the_same_value():
    rows = quick_like().assign(knobs='{"autotune": false}', builder="tf_data")
    assert pairs.select_pipelines(rows, {"builder": "tf_data", "autotune": 0}).empty


def test_a_range_of_a_column_includes_both_ends():
    chosen = pairs.select_cells(of((16, 1.0), (32, 1.0), (64, 1.0)), {"batch_size": {"from": 16, "to": 32}})
    assert set(chosen["batch_size"]) == {16, 32}


def trend(results, expect):
    return rules.trend(results, pipeline=SEQUENCE, reference=TF_DATA, along="batch_size", expect=expect)


def test_a_trend_is_supported_one_way_and_refuted_the_other():
    results = of((32, 0.8), (256, 1.4))
    assert trend(results, "rises").verdict == "supported"
    assert trend(results, "falls").verdict == "refuted"


def test_a_level_series_refutes_a_trend():
    results = table(
        cell(seconds={"py_dataset": 1.2, "tf_data": 1.0}, batch_size=batch, noise=0.002, rounds=20)
        for batch in (32, 64)
    )
    assert trend(results, "rises").verdict == "refuted"


def test_a_trend_over_one_value_needs_the_full_sweep():
    assert trend(of((32, 0.8)), "rises").needs == "the full sweep"


def test_unlike_work_is_told_with_its_aspects():
    outcome = rules.differ(quick_like(), pipeline={"builder": "published_b3_imitation"}, expect="different")
    assert outcome.verdict == "supported"
    assert "labels" in outcome.evidence


def test_parts_that_agree_make_a_verdict_and_parts_that_do_not_depend():
    supported, refuted = (rules.RuleOutcome(verdict, "") for verdict in ("supported", "refuted"))
    missing = rules.RuleOutcome("undecided yet", "", needs="the full sweep")
    untestable = rules.RuleOutcome("not testable", "")
    parts = {
        "supported": [supported, supported, untestable],
        "refuted": [refuted, untestable],
        "depends": [supported, refuted],
        "undecided yet": [supported, missing],
        "not testable": [untestable, untestable],
    }
    for verdict, outcomes in parts.items():
        assert claims.combine([("part", one) for one in outcomes]).verdict == verdict
    assert claims.combine([("a", supported), ("b", missing)]).needs == "(2) the full sweep"


def test_a_reason_makes_a_claim_not_testable():
    outcome = claims.decide(Rule("not testable", "", {"why": "nothing moves"}), quick_like(), {})
    assert (outcome.verdict, outcome.evidence) == ("not testable", "nothing moves")


def test_rows_of_two_machines_are_not_judged_together():
    both = table([quick_like("one"), quick_like("two")])
    with pytest.raises(StudyError, match="never merged"):
        claims.judge(claims.load(), both, shown=SHOWN)


GOOD = """
claims:
  - id: C1
    claim: Two worker threads feed faster than one.
    source: a colleague
    tests:
      - kind: compare
        cells: {transform: noise, batch_size: {from: 32, to: 256}}
        pipeline: {builder: py_dataset, workers: 2}
        reference: {builder: py_dataset, workers: [default, 1]}
        expect: faster
"""


def written(tmp_path, text):
    place = tmp_path / "mine.yml"
    place.write_text(text)
    return place


def test_a_claim_of_ones_own_is_judged(tmp_path):
    (claim,) = claims.load(written(tmp_path, GOOD))
    seconds = {"py_dataset": 1.0, "py_dataset, 2 workers": 0.6}
    judged = claims.judge([claim], table([cell(seconds=seconds)]), shown={})
    assert judged["verdict"].tolist() == ["supported"]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("claims:", "claim:", "must hold a list named claims"),
        ("  - id: C1\n", "  - name: C1\n", "claim number 1 must be a mapping with an id"),
        ("    source: a colleague\n", "", "claim C1: it needs source"),
        ("kind: compare", "kind: guess", "kind must be one of compare, trend, differ, shown, not testable"),
        ("expect: faster", "expect: quicker", "expect must be one of faster"),
        ("transform: noise", "transformation: noise", "no column 'transformation'"),
        ("from: 32", "least: 32", "a range of batch_size must read"),
        ("workers: 2", "worker: 2", "pipeline has no knob 'worker'"),
        ("{builder: py_dataset, workers: 2}", "py_dataset", "pipeline must be a mapping"),
        ("builder: py_dataset, workers: 2", "builder: pydataset", "pipeline must be one of"),
        ("expect: faster", "expect: faster\n        speed: high", "unknown setting 'speed'"),
        ("expect: faster", "expect: faster\n        margin: 5", "margin must be above 0 and below 1"),
        ("    tests:\n", "    tests: []\n    more:\n", "unknown setting 'more'"),
        ("claims:", "claims: [", "line .* must be YAML"),
    ],
)
def test_a_bad_file_of_claims_is_one_clear_line(tmp_path, right, wrong, message):
    assert right in GOOD
    with pytest.raises(StudyError, match=message) as caught:
        claims.load(written(tmp_path, GOOD.replace(right, wrong)))
    assert "\n" not in str(caught.value)


def test_an_id_may_come_once(tmp_path):
    with pytest.raises(StudyError, match="C1 twice"):
        claims.load(written(tmp_path, GOOD + GOOD.replace("\nclaims:\n", "")))


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(StudyError, match="must be a file that can be read"):
        claims.load(tmp_path / "none.yml")


def test_the_interpreters_jit_is_told_as_the_interpreter_was_compiled():
    # The define that its own C code is compiled with, where `interpreter_jit` asks configure's arguments.
    compiled_in = "_Py_JIT" in (sysconfig.get_config_var("PY_CORE_CFLAGS") or "")
    told = evidence.interpreter_jit()
    if sys.implementation.name != "cpython":
        assert told.verdict == "not testable" and "is not CPython" in told.text
    elif not compiled_in:
        assert told.verdict == "refuted" and told.text.endswith("(built in: no)")
    else:
        assert "built in: yes" in told.text or told.verdict == "not testable"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the claim is about CPython")
@pytest.mark.parametrize(
    ("available", "enabled", "verdict", "says"),
    [
        (False, False, "refuted", "built in: no"),
        (True, False, "refuted", "built in: yes"),
        (True, True, "not testable", "runs with its experimental JIT"),
    ],
)
def test_a_newer_interpreter_is_asked_itself_whether_its_jit_is_at_work(available, enabled, verdict, says, monkeypatch):
    jit = SimpleNamespace(is_available=lambda: available, is_enabled=lambda: enabled)
    monkeypatch.setattr(sys, "_jit", jit, raising=False)
    told = evidence.interpreter_jit()
    assert told.verdict == verdict
    assert says in told.text


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the claim is about CPython")
@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [("'--enable-experimental-jit=yes' '--with-lto'", "not testable"), ("'--with-lto'", "refuted"), (None, "refuted")],
)
def test_an_older_interpreters_jit_is_told_by_how_it_was_configured(arguments, verdict, monkeypatch):
    monkeypatch.delattr(sys, "_jit", raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": arguments}.get)
    assert evidence.interpreter_jit().verdict == verdict


def test_unknown_evidence_is_one_clear_line():
    with pytest.raises(StudyError, match="evidence must be one of"):
        evidence.collect(["hearsay"])


QUICK = ("adapter_graph", "faults_in_both", "python_runs_per_element", "profile_with_autotune", "normalisations",
         "published_generator")  # fmt: skip


@pytest.mark.slow
def test_what_is_shown_is_tried_and_kept_for_the_next_time(tmp_path, monkeypatch):
    keep = tmp_path / report.EVIDENCE
    found = evidence.collect(QUICK, keep=keep)
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(QUICK, "supported") | {
        "adapter_graph": "refuted",
        "faults_in_both": "depends",
        "normalisations": "refuted",
    }, {name: one.text for name, one in found.items()}
    monkeypatch.setattr(collection, "_try_apart", lambda wanted: dict.fromkeys(wanted, None))
    assert evidence.collect(QUICK, keep=keep) == found


def test_what_cannot_be_tried_leaves_the_rest_standing(monkeypatch):
    monkeypatch.setitem(collection.APART, "unlike_work", "no_such_module")
    (found,) = evidence.try_all(["unlike_work"]).values()
    assert found.verdict == "undecided yet"
    assert found.needs


@pytest.mark.parametrize(("left", "says"), [(0.8, "16 and below"), (1.4, "256 and above")])
def test_separation_by_number_finds_either_side(left, says):
    right = 1.4 if left < 1 else 0.8
    results = table(
        cell(seconds={"py_dataset": ratio, "tf_data": 1.0}, batch_size=batch, examples=number * 1000, seed=number)
        for batch, ratio in ((16, left), (256, right))
        for number in range(1, 6)
    )
    assert compare(results).crossover.startswith(f"batch_size: holds for {says}, ")
