"""What the doctor can do about a finding by itself: a feed made anew, with one change."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers import ratios
from helpers.doctor import prediction, py_dataset_remedies, tf_data_remedies
from helpers.doctor.case import Case
from helpers.doctor.findings import Finding
from helpers.doctor.rebuilding import Chain
from helpers.errors import StudyError, first_line
from helpers.pipelines.feeds import Feed

ONE_ITERATOR = "one_iterator"
ALL = "all of them"


@dataclass(frozen=True)
class Remedy:
    """What can be done about a fault.

    Attributes:
        name: the fault's, or what is done where there is no fault.
        told: what it does, in a few words.
        make: makes the remedied feed, an opened one.
        changes: what it changes in the data; "" where the data stays as it is.
        gain: how many times as fast an epoch will be, predicted; NaN where it is not of speed.
        edit: of a tf.data pipeline's parts, so that several can be put together; None for all else.
    """

    name: str
    told: str
    make: Callable[[], Feed]
    changes: str = ""
    gain: float = float("nan")
    edit: Callable[[Chain], Chain] | None = None


def of(case: Case, findings: Iterable[Finding]) -> dict[str, Remedy]:
    """Returns the remedies that can be applied, by the names of their faults.

    Args:
        case: the feed.
        findings: of it.
    """
    made = {}
    for finding in findings:
        remedy = _tf_data(case, finding) if case.kind == "tf.data" else _py_dataset(case, finding)
        if remedy is not None:
            made[finding.fault] = remedy
    return made


def _tf_data(case, finding):
    if finding.fault not in tf_data_remedies.EDITS:
        return None
    told, changes, make_edit = tf_data_remedies.EDITS[finding.fault]

    def edit(chain):
        return make_edit(case, finding, chain)

    def make():
        return replace(case.feed, data=edit(Chain.of(case.feed.data)).built())

    if not can_be_made(make):
        return None
    return Remedy(finding.fault, told, make, changes, finding.gain, edit)


def can_be_made(make: Callable[[], Any]) -> bool:
    """Returns whether a feed can be made: its graph is traced, and nothing of it is read."""
    try:
        make()
    except Exception:  # whatever a user's function raises where its input is another
        return False
    return True


def _py_dataset(case, finding):
    if case.kind != "PyDataset" or finding.fault not in py_dataset_remedies.MAKERS:
        return None
    try:
        done = py_dataset_remedies.MAKERS[finding.fault](case)
    except py_dataset_remedies.DoesNotFit:
        return None
    return Remedy(finding.fault, done.told, done.make, done.changes, _gain(case, finding, done))


def _gain(case, finding, done):
    """What the remedy gains that is at hand, which may be another than the best."""
    if done.left is None or math.isnan(finding.gain):
        return finding.gain
    return prediction.gain(
        case, lambda place, stage: replace(prediction.scaled(stage, done.left), calls=done.calls or stage.calls)
    )


def one_iterator(case: Case) -> Remedy | None:
    """Returns what saves making iterators anew for every epoch of a tf.data feed; None where it does not fit.

    Args:
        case: the feed.
    """
    if case.kind != "tf.data" or not case.whole or case.feed.steps_per_epoch is not None:
        return None
    batches = len(case.epochs[0].epoch.sizes)
    if int(case.feed.data.cardinality()) != batches:
        return None
    told = f"Feed(data.repeat(), steps_per_epoch={batches}): one iterator for all epochs [fact: two-iterators]"
    gain = gain_of_one_iterator(case)
    predicted = math.nan if gain is None else gain.ratio
    return Remedy(ONE_ITERATOR, told, lambda: Feed(case.feed.data.repeat(), batches, False), gain=predicted)


def gain_of_one_iterator(case: Case) -> ratios.Ratio | None:
    """Returns how many times as fast an epoch is without making iterators anew; None where that was not measured.

    All of its start is saved, but for filling the buffer of a shuffle(): its elements are made in every epoch.

    Args:
        case: the feed.
    """
    head = case.headspace
    if head is None or len(head.iterators_s) != len(head.epoch_s) or len(head.epoch_s) < ratios.LEAST_ROUNDS:
        return None
    steps_s = np.maximum(head.held_s - head.held_starts_s, prediction.filling_s(case))
    without_s = np.maximum(steps_s, head.epoch_s - np.maximum(head.starts_s, 0.0))
    return ratios.paired_ratio(head.epoch_s, without_s)


def together(case: Case, chosen: Iterable[Remedy]) -> Remedy | None:
    """Returns several remedies of a tf.data feed as one; None where fewer than two fit together.

    Args:
        case: the feed.
        chosen: remedies of it.
    """
    if case.kind != "tf.data":
        return None
    chain, fit = Chain.of(case.feed.data), []
    for remedy in chosen:
        if remedy.edit is not None:
            try:
                edited = remedy.edit(chain)
                edited.built()
            except Exception:  # it does not fit with those before, or a user's function does not
                continue
            chain = edited
            fit.append(remedy)
    if len(fit) < 2:
        return None
    told = " and ".join(remedy.told for remedy in fit)
    changes = "; ".join(remedy.changes for remedy in fit if remedy.changes)
    gain = max((remedy.gain for remedy in fit if remedy.gain > 0), default=float("nan"))
    return Remedy(ALL, told, lambda: replace(case.feed, data=chain.built()), changes, gain)


def why_not(error: Exception) -> str:
    """Returns the first line of what went wrong."""
    return str(error) if isinstance(error, StudyError) else f"{type(error).__name__}: {first_line(error)}"
