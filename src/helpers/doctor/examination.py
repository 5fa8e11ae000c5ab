"""Examines a feed: what its input costs, which stage, and which faults it has."""

import itertools
import math
import re
import types
from dataclasses import replace
from typing import Any

from helpers import checks
from helpers.doctor import (
    content_rules,
    costs,
    files_of,
    lines,
    more_rules,
    parts,
    prediction,
    py_dataset_rules,
    remedies,
    resource_rules,
    seen,
    speed_rules,
    unharmed,
)
from helpers.doctor.case import Case
from helpers.doctor.findings import CONTENT, FAULTS, NO_RULE, TYPICAL_ERROR, measured
from helpers.doctor.headspace import headspace
from helpers.doctor.report import Report
from helpers.errors import StudyError, first_line
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Feed
from helpers.timing import models

ROLES = ("training", "evaluation")
RULES = (
    *content_rules.RULES,
    *more_rules.RULES,
    *speed_rules.RULES,
    *py_dataset_rules.RULES,
    *resource_rules.RULES,
)
BY_WATCH = "doctor.Watch(feed) among the callbacks of your own training"
NOTABLE_GAIN = 1.1
LEAST_READ_S = 2.0  # of an epoch, whatever the budget
# What a fault needs beyond the feed.
NEEDS_VALIDATION = ("augmented_validation", "split_leak", "biased_split", "train_validation_differ")
NEEDS_SOURCE = ("shared_draws",)
BETTER_WITH_SOURCE = ("label_mismatch", "lost_examples", "repeated_examples", "garbage_examples")
NEEDS_WHOLE = ("lost_examples", "repeated_examples", "epochs_mixed", "no_cache", "shuffle_after_batch")
PYTHON_ERROR = re.compile(r"\w*(Error|Exception): ")
# Faults without a cost by themselves, told whatever the headspace.
ALWAYS = (
    *("tiny_batches", "retracing", "wide_dtype", "cache_too_large", "thread_starvation", "processes_misused"),
    *("heavy_shuffle_buffer", "memory_growth"),
)


def examine(
    feed: Any,
    *,
    model: Any = None,
    validation: Any = None,
    role: str = "training",
    source: Any = None,
    budget_s: float = 60.0,
) -> Report:
    """Examines a feed of a user's own: is the input the problem, which stage, and is the data what it should be?

    Two epochs are read, or their first parts where they take over two seconds and over a twelfth of the budget; each
    counts as one for the feed. The model and all sources of random numbers are left as they were, and no cache file is
    written where that can be helped.

    Args:
        feed: whatever `comparison.compare` takes.
        model: a compiled Keras model; None: the smallest one.
        validation: a feed likewise, of validation data.
        role: "training" or "evaluation": whether an order must change or must stay.
        source: the raw examples, (x, y) as arrays or a feed; examples are recognised by their content.
        budget_s: seconds that it may take, about.

    Raises:
        StudyError: for an argument that cannot be used, and for a one-shot feed, which is not read.
    """
    checks.one_of("role", role, ROLES)
    checks.between("budget_s", budget_s, 0, math.inf)
    with unharmed.seeds():
        try:
            length, steps, settled = _settled(feed)
        except Exception as error:
            if not _is_the_feeds(error):
                raise
            return _unreadable(error, [])
        if settled is None:
            return Report(None, None, tuple(length), (), _not_looked_at(None, None, None, source, role))
        old_files = files_of.of_caches(settled)
        settled, told_of_files = files_of.without_new_ones(settled)
        try:
            part = parts.part_of(settled, max(LEAST_READ_S, budget_s / 12))
            epochs = parts.within(budget_s + parts.HANGS_S, lambda: two_epochs(part.feed), "two epochs")
            head = headspace(settled, model=model, budget_s=budget_s / 5)
            told = _with_free_epochs(costs.of(part, budget_s / 5), head)
        except Exception as error:
            if isinstance(error, StudyError) and not _is_the_feeds(error):
                raise
            return _unreadable(error, length)
        validated, validation_part = None, None
        if validation is not None:
            validation_part = parts.part_of(feeds.settled(validation), max(LEAST_READ_S, budget_s / 12))
            validated = two_epochs(validation_part.feed)
        case = Case(
            part.feed,
            feeds.kind(part.feed.data),
            role,
            epochs,
            part.is_whole,
            told,
            head,
            model=None if model is None else models.of(model, part.first),
            source=None if source is None else seen.of_source(source),
            validation=validated,
            validation_is_whole=validation_part is not None and validation_part.is_whole,
            given_steps=steps,
            old_files=old_files,
        )
        found = [*length, *(finding for rule in RULES if (finding := rule(case)) is not None)]
        can_apply = remedies.of(case, found)
    found = [replace(finding, can_apply=finding.fault in can_apply) for finding in found]
    if (one_iterator := remedies.one_iterator(case)) is not None:
        can_apply[one_iterator.name] = one_iterator
    kept, too_small = _by_cost(found, head)
    remarks = [
        *told_of_files,
        *(
            f"{finding}. It costs less than the headspace's interval, or than predictions are wrong by."
            for finding in too_small
        ),
    ]
    gain = None if one_iterator is None else remedies.gain_of_one_iterator(case)
    if one_iterator is not None and gain is not None and gain.low > NOTABLE_GAIN:
        told = f"{gain.ratio:.1f} times ({gain.low:.1f} to {gain.high:.1f}) as fast"
        remarks.append(f"About {told}, predicted: {one_iterator.told}.")
    remarks += [f"The epochs were read in part: {part.said}."] if part.said else []
    return Report(
        head,
        case.stages,
        tuple(kept),
        tuple(remarks),
        _not_looked_at(case, model, validation, source, role),
        can_apply,
        case,
    )


def _is_the_feeds(error):
    return isinstance(error, parts.Hangs | feeds.RanOut) or "(got none)" in str(error)


def _with_free_epochs(told, head):
    """Returns the stages with what a whole epoch would take were each of them free; they may be of a part of one."""
    share = told.batches / head.batches
    of_part = prediction.with_free_epochs(told, prediction.Measured.of(head, told.batches), prediction.cores())
    return of_part.with_free_epochs([stage.free_epoch_s / share for stage in of_part.stages])


def _settled(given):
    """Returns (findings on its length, steps as given, the feed to go on with or None)."""
    inner = given if isinstance(given, Feed) else Feed(given)
    data = inner.data
    if callable(data) and not hasattr(data, "element_spec"):
        made = data()
        if isinstance(made, types.GeneratorType):
            return [], inner.steps_per_epoch, parts.of_generator(data, inner.steps_per_epoch, LEAST_READ_S)
        return _settled(made if isinstance(made, Feed) else replace(inner, data=made))
    steps = inner.steps_per_epoch
    remedy = "leave steps_per_epoch out, or let the data repeat [fact: too-many-steps-cut-the-epoch]"
    length = parts.length(Feed(data)) if feeds.kind(data) in ("tf.data", "PyDataset") else None
    if steps is not None and length is not None and length % steps:
        told = f"steps_per_epoch is {steps}, and the data has {length} batches: fit runs out of data"
        finding = measured("wrong_length", f"{told} in epoch {-(-(length + 1) // steps)}.", remedy)
        return [finding], None, feeds.settled(replace(inner, steps_per_epoch=None))
    if steps is None and feeds.kind(data) == "tf.data" and int(data.cardinality()) == -1:
        told = "The data repeats without end and no steps_per_epoch is given: the first epoch never ends."
        return [measured("wrong_length", told, "leave repeat() out, or give steps_per_epoch")], None, None
    return [], steps, feeds.settled(given)


def two_epochs(feed: Feed) -> tuple[seen.Reading, seen.Reading]:
    """Reads two epochs of an opened feed."""
    first, second = (seen.read(itertools.chain(epoch)) for epoch in feeds.epochs_of(feed, 2))
    return first, second


def _unreadable(error, length):
    where = error.where if isinstance(error, parts.Hangs) else lines.of_error(error)
    said = next((line for line in str(error).splitlines() if PYTHON_ERROR.match(line)), first_line(error))
    told = f"It cannot be read to its end ({type(error).__name__}: {said})."
    report = unreadable(told, where)
    return replace(report, findings=(*length, *report.findings))


def unreadable(told: str, where: str) -> Report:
    """Returns the report on a feed that cannot be read.

    Args:
        told: why, one sentence.
        where: "file:line" of the user's; "" where it is not known.
    """
    finding = measured("wrong_length", told, "try the failing batch by itself", where=where)
    return Report(None, None, (finding,), (), _not_looked_at(None, None, None, None, ROLES[0]))


def _by_cost(found, head):
    """Returns (findings, what costs too little to be one)."""
    content = [finding for finding in found if finding.kind == CONTENT]
    speed = [finding for finding in found if finding.kind != CONTENT]
    width = (head.share.high - head.share.low) / 2
    least = max(width, 1 - math.exp(-TYPICAL_ERROR))  # less is no more than a prediction is wrong by
    kept = [each for each in speed if each.fault in ALWAYS or (head.matters and 1 - 1 / max(each.gain, 1) > least)]
    small = [each for each in speed if each not in kept]
    return [*content, *sorted(kept, key=lambda each: -each.gain if each.gain > 0 else 0.0)], small


def _not_looked_at(case, model, validation, source, role):
    """Returns fault -> what to give."""
    ruled = sorted(rule.__name__ for rule in RULES)
    told = {fault: NO_RULE for fault in FAULTS if fault not in ruled} | {"rebuilt_each_epoch": BY_WATCH}
    if case is None:
        return told | {fault: "a feed that can be read" for fault in ruled}
    if validation is None:
        told |= {fault: "validation=…" for fault in NEEDS_VALIDATION}
    if source is None:
        told |= {fault: "source=(x, y), the raw examples" for fault in NEEDS_SOURCE}
        told |= {fault: "source=(x, y), all cases of it" for fault in BETTER_WITH_SOURCE}
    elif not case.matched[0].is_reliable:
        unclear = "a source in which the examples can be recognised"
        told |= {fault: unclear for fault in (*NEEDS_SOURCE, *BETTER_WITH_SOURCE)}
    if model is None:
        told |= {fault: "model=…" for fault in ("wrong_scale", "no_prefetch")}
    if role == "training":
        told["unstable_order"] = 'role="evaluation"'
    if not resource_rules.has_rounds_enough(case.headspace):
        told["memory_growth"] = f"a larger budget_s, or {BY_WATCH}"
    if not case.whole:
        told |= {fault: "a larger budget_s, or fewer examples: epochs were read in part" for fault in NEEDS_WHOLE}
    return told
