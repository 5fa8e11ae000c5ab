"""Evidence that rests on a short timing: what is compared, and which verdict follows from which ratio."""

import functools
import itertools
import re

import numpy as np
import pandas as pd
import pytest

from helpers import comparison
from helpers.claims.evidence import debugging, feeding, misconfigurations, published
from helpers.datasets import building

# Evidence -> (its function, the pipeline that the claim is about, its reference).
TIMED = {
    "adapter_cost": (feeding.adapter_cost, "Sequence", "tf.data"),
    "running_mean": (feeding.running_mean, "tf.data", "Sequence"),
    "unlike_work": (published.unlike_work, "noise", "brightness"),
}
NOISY = 1.02  # with a spread in which it is lost


def made(feeds, *, reference, seconds, spread):
    """The comparison of 20 rounds in which each pipeline took its `seconds`, give or take the same spread."""
    noise = {label: np.random.default_rng(place).lognormal(0, spread, 20) for place, label in enumerate(feeds)}
    rounds = [
        {
            "round": number + 1,
            "pipeline": label,
            "first_batch_s": 0.0,
            "iterator_s": 0.0,
            "epoch_s": seconds.get(label, 1.0) * noise[label][number],
        }
        for number in range(20)
        for label in feeds
    ]
    return comparison.Comparison(
        labels=list(feeds), rounds=pd.DataFrame(rounds), reference=reference,
        confidence=0.95, margin=0.05, precision=0.05, stopped="precise", wall_s=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ratio", "verdict"),
    [
        ("adapter_cost", 0.5, "supported"),
        ("adapter_cost", 2.0, "refuted"),
        ("adapter_cost", 1.0, "refuted"),
        ("adapter_cost", NOISY, "undecided yet"),
        ("running_mean", 0.5, "refuted"),
        ("running_mean", 2.0, "supported"),
        ("running_mean", 1.0, "refuted"),
        ("running_mean", NOISY, "undecided yet"),
        ("unlike_work", 0.5, "supported"),
        ("unlike_work", 2.0, "supported"),
        ("unlike_work", 1.0, "refuted"),
        ("unlike_work", NOISY, "undecided yet"),
    ],
)
def test_the_verdict_follows_from_the_ratio(name, ratio, verdict, monkeypatch):
    evidence, pipeline, _ = TIMED[name]

    def compare(feeds, *, reference, **_settings):
        return made(feeds, reference=reference, seconds={pipeline: ratio}, spread=0.5 if ratio is NOISY else 0.002)

    monkeypatch.setattr(comparison, "compare", compare)
    found = evidence()
    assert found.verdict == verdict
    assert (found.needs != "") == (verdict == "undecided yet")


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_its_two_feeds_are_compared_through_fit_and_have_as_many_batches(name, monkeypatch):
    evidence, pipeline, reference = TIMED[name]
    compared = []
    ticks = itertools.count(0, 1_000_000)  # a reading of the clock is a millisecond later
    through_fit = functools.partial(comparison.compare, clock=lambda: next(ticks))
    monkeypatch.setattr(
        comparison, "compare", lambda feeds, **settings: compared.append(through_fit(feeds, **settings)) or compared[-1]
    )
    found = evidence()
    (comparison_,) = compared
    assert set(comparison_.labels) == {pipeline, reference} and comparison_.reference == reference
    assert comparison_.rounds["batches"].nunique() == 1
    assert found.verdict == "refuted"  # by this clock a step is a step
    assert "same values: no" not in found.text


def test_the_published_imitation_is_held_against_the_task_on_whichever_pictures_are_prepared(own_data_dir):
    missing = published.published_imitation()
    assert (missing.verdict, missing.needs) == ("undecided yet", "`study prepare cifar10-standin`")
    work = own_data_dir / "work"
    work.mkdir(parents=True)
    building.build_stand_in("cifar10", work, own_data_dir / "standin", train=300, test=10)
    found = published.published_imitation()
    assert found.verdict == "refuted" and not found.needs
    assert "on 256 pictures of stand-in for CIFAR-10 (generated)" in found.text
    (count,) = re.findall(r"(\d+) differences?:", found.text)
    assert int(count) == found.text.count(" instead of ") > 0


HARMLESS = {"Sequence": {"a loop over images", "workers=2", "workers=2, max_queue_size=1"},
            "tf.data": {"no parallel calls", "no prefetch", "map before shuffle"}}  # fmt: skip


@pytest.mark.parametrize("api", misconfigurations.SLIPS)
def test_right_feeds_deliver_right_data_and_slips_wrong_data_or_only_another_speed(api):
    right, slips = misconfigurations.SLIPS[api]
    assert misconfigurations.wrong_data(right()) == ""
    harmless = {slip for slip, make in slips.items() if misconfigurations.wrong_data(make()) == ""}
    assert harmless == HARMLESS[api]


@pytest.mark.parametrize(
    ("sequence", "tf_data", "verdict"),
    [
        (2.0, 1.0, "refuted"),
        pytest.param(1.0, 2.0, "supported", marks=pytest.mark.slow),
        pytest.param(1.19, 1.19, "supported", marks=pytest.mark.slow),
    ],
)
def test_slips_count_where_they_surely_cost_over_a_fifth(sequence, tf_data, verdict, monkeypatch):
    def compare(feeds, *, reference, **_settings):
        ratio = sequence if set(feeds) & HARMLESS["Sequence"] else tf_data
        seconds = {label: ratio for label in feeds if label != reference}
        return made(feeds, reference=reference, seconds=seconds, spread=0.002)

    monkeypatch.setattr(comparison, "compare", compare)
    assert misconfigurations.misconfigurations().verdict == verdict


@pytest.mark.parametrize(
    ("sequence", "tf_data", "verdict"),
    [
        ((6, 6, 9), (8, 8, 11), "supported"),  # 67% against 73%
        ((7, 7, 9), (8, 8, 11), "depends"),
        ((8, 8, 9), (8, 8, 11), "refuted"),
        ((6, 8, 9), (8, 8, 11), "undecided yet"),
        ((6, 7, 9), (10, 11, 11), "supported"),
        ((8, 9, 9), (7, 8, 11), "refuted"),
    ],
)
def test_slips_that_are_open_decide_nothing(sequence, tf_data, verdict):
    assert misconfigurations._verdict(sequence, tf_data) == verdict


@pytest.mark.slow
def test_a_sequence_with_more_slips_refutes_that_it_has_less_to_misconfigure(monkeypatch):
    swapped = dict(zip(misconfigurations.SLIPS, reversed(misconfigurations.SLIPS.values()), strict=True))
    monkeypatch.setattr(misconfigurations, "SLIPS", swapped)
    monkeypatch.setattr(
        comparison,
        "compare",
        lambda feeds, *, reference, **_: made(feeds, reference=reference, seconds={}, spread=0.002),
    )
    assert misconfigurations.misconfigurations().verdict == "refuted"


@pytest.mark.parametrize(
    ("named", "verdict"),
    [((True, False), "supported"), ((True, True), "refuted"), ((False, False), "refuted"), (None, "depends")],
)
def test_the_verdict_on_faults_follows_from_what_each_traceback_names(named, verdict, monkeypatch):
    answers = itertools.cycle(named or (True, False, True, True))
    monkeypatch.setattr(debugging, "_names_the_fault", lambda function, feed: next(answers))
    assert debugging.faults_in_both().verdict == verdict


@pytest.mark.parametrize(("stages", "verdict"), [("ss", "supported"), ("qs", "depends"), ("qq", "refuted")])
def test_the_verdict_on_the_profile_follows_from_the_stages_that_it_names(stages, verdict, monkeypatch):
    named = iter(stages)
    own = {"s": {debugging.SLOW: 2.0, "Root": 1.0}, "q": {debugging.SLOW: 1.0, "Root": 2.0}}
    monkeypatch.setattr(debugging, "_own_seconds", lambda slow: pd.Series(own[next(named)]))
    assert debugging.profile_with_autotune().verdict == verdict


def test_the_normalisations_are_compared_as_their_libraries_do_them():
    found = published.normalisations()
    assert found.verdict == "refuted" and "256 and 256" in found.text


def test_a_normalisation_that_differs_is_found(monkeypatch):
    divide = type("Rescaling", (), {"__init__": lambda self, _: None, "__call__": lambda self, x: x / np.float32(255)})
    monkeypatch.setattr(published.keras.layers, "Rescaling", divide)
    assert published.normalisations().verdict == "supported"
