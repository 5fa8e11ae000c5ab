"""Evidence for claims, each tried for real: its text has the figures, whichever way a timing comes out."""

import re

import pytest

from helpers.claims import VERDICTS
from helpers.claims.evidence import Evidence, feeding, published
from helpers.datasets import building

TIMED = ("supported", "refuted", "undecided yet")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for module in (feeding, published):
        monkeypatch.setattr(module, "BUDGET_S", 0.5)


def timed(found: Evidence):
    """The evidence's figures, after what holds for every short timing."""
    assert found.verdict in TIMED and found.verdict in VERDICTS
    assert bool(found.needs) == (found.verdict == "undecided yet")
    return [float(figure) for figure in re.findall(r"\d+\.\d+", found.text)]


def test_the_adapter_s_cost_is_told_in_milliseconds_per_step_of_each():
    found = feeding.adapter_cost()
    assert re.search(r"fit spends \d+\.\d\d ms per step on a Sequence and \d+\.\d\d ms on a Dataset: ", found.text)
    sequence_ms, dataset_ms, ratio, *_ = timed(found)
    assert sequence_ms > 0 and dataset_ms > 0
    assert 0.5 < ratio / (sequence_ms / dataset_ms) < 2


def test_a_running_mean_comes_out_the_same_in_both_before_their_time_is_compared():
    found = feeding.running_mean()
    assert "same values: yes" in found.text
    (ratio, *_) = timed(found)
    assert ratio > 0


def test_unlike_work_is_told_as_a_ratio():
    found = published.unlike_work()
    assert "noise on every pixel" in found.text
    (ratio, *_) = timed(found)
    assert ratio > 0


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


def test_the_settings_of_each_api_are_counted():
    from helpers import pipelines
    from helpers.claims import evidence

    text = evidence.knob_count().text
    for name in ("py_dataset", "image_data_generator", "tf_data"):
        assert f"{name} {len(pipelines.describe(name).knobs)}" in text
