"""Rules for faults of content that need a model, validation data or a role; and of an epoch's length."""

from typing import Any

import numpy as np

from helpers.doctor import content_rules
from helpers.doctor.case import Case
from helpers.doctor.findings import Finding, measured, suspected

LEAST_OVERLAP = 0.01  # share of the validation examples that makes a leak
APART = 0.5  # standard deviations between the means of training and validation data
CAFFE = ("resnet50", "resnet101", "resnet152", "vgg16", "vgg19")  # they expect means subtracted, not 0 to 1
OWN_SCALE = ("Rescaling", "Normalization", "BatchNormalization", "Lambda")


def garbage_examples(case: Case) -> Finding | None:
    """Rows of zeros, or such as hold no number."""
    reading = case.epochs[0]
    for name in reading.names:
        part = reading.epoch.parts[name]
        wide = max((int(np.prod(shape)) for shape in part.shapes), default=0) >= 16
        empty = np.flatnonzero(part.figures[:, 4] == 0) if wide and "string" not in part.dtypes else np.array([], int)
        if case.source is not None and name in case.source.epoch.parts:
            natural = int(np.sum(case.source.epoch.parts[name].figures[:, 4] == 0))
        else:
            natural = 0
        if natural < len(empty) < 0.5 * reading.count:
            make: Any = measured if case.source is not None or len(empty) > 1 else suspected
            return make(
                "garbage_examples",
                f"{len(empty)} of {reading.count} inputs hold nothing but zeros, such as example {empty[0]}.",
                "deliver only rows that were filled: cut the last batch to its true length",
                examples=reading.first(empty),
            )
    return None


def unstable_order(case: Case) -> Finding | None:
    """An order that changes where predictions are held against labels."""
    if case.role != "evaluation":
        return None
    first, second = (case.identities(number) for number in (0, 1))
    if first is None or second is None or (np.array_equal(first, second) and not _is_moved(case)):
        return None
    return measured(
        "unstable_order",
        "The order is not that of the source." if _is_moved(case) else "The two epochs came in different orders.",
        "leave shuffle out where predictions are held against labels [fact: reshuffled-each-iteration]",
        where=case.where_of("Shuffle"),
    )


def _is_moved(case):
    if case.source is None or not case.matched[0].is_reliable:
        return False
    index = case.matched[0].index[case.matched[0].clear]
    return bool((np.diff(index) < 0).any())


def split_leak(case: Case) -> Finding | None:
    """Validation examples that are trained on."""
    if case.validation is None:
        return None
    trained = np.unique(np.concatenate([reading.inputs for reading in case.epochs]))
    validated = case.validation[0]
    both = np.isin(validated.inputs, trained)
    if both.sum() < 3 or both.mean() < LEAST_OVERLAP or len(np.unique(validated.inputs[both])) < 3:
        return _leak_by_source(case)
    return measured(
        "split_leak",
        f"{both.sum()} of {validated.count} validation examples are trained on.",
        "split before shuffling (or shuffle once, with reshuffle_each_iteration=False), then shuffle the training part "
        "[fact: split-behind-shuffle-leaks]",
        examples=validated.first(np.flatnonzero(both)),
    )


def _leak_by_source(case):
    if case.source is None or case.matched_validation is None:
        return None
    matched = [*case.matched, case.matched_validation]
    if not all(each.is_reliable for each in matched):
        return None
    trained = np.concatenate([each.index[each.clear] for each in case.matched])
    both = np.flatnonzero(np.isin(case.matched_validation.index, trained) & case.matched_validation.clear)
    if len(both) < max(3, 0.05 * case.validation[0].count):
        return None
    told = f"{len(both)} of {case.validation[0].count} validation examples are made from the source of training ones."
    return measured(
        "split_leak",
        told,
        "split before shuffling [fact: split-behind-shuffle-leaks]",
        examples=case.validation[0].first(both),
    )


def biased_split(case: Case) -> Finding | None:
    """Classes that come in one of training and validation only, or much more often there."""
    if case.validation is None or case.epochs[0].labels is None or case.validation[0].labels is None:
        return None
    labels = case.epochs[0].labels, case.validation[0].labels
    together = np.concatenate(labels)
    blocks = np.repeat([0, 1], [len(each) for each in labels])
    strength, p_value = content_rules.association(together, blocks)
    if p_value > content_rules.LEVEL or strength < 0.3:
        return None
    missing = sorted(set(labels[1].tolist()) ^ set(labels[0].tolist()))
    told = f"classes {', '.join(map(str, missing[:5]))} come in one of them only" if missing else "the shares differ"
    return measured(
        "biased_split",
        f"Training and validation hold different classes: {told}.",
        "shuffle once before the split, or split each class by itself",
    )


def augmented_validation(case: Case) -> Finding | None:
    """Validation inputs that change from epoch to epoch."""
    if case.validation is None:
        return None
    first, second = case.validation
    again = np.isin(second.inputs, first.inputs).mean()
    if again > 0.5 or not case.validation_is_whole:
        return None
    return measured(
        "augmented_validation",
        f"{1 - again:.0%} of the validation inputs are others in the second epoch: they are changed at random.",
        "leave augmentation out of the validation data",
    )


def train_validation_differ(case: Case) -> Finding | None:
    """Validation inputs of another range, dtype, shape or order of channels."""
    if case.validation is None:
        return None
    mine, theirs = case.epochs[0], case.validation[0]
    remedy = "prepare both by the same function, augmentation apart"
    for name in mine.names:
        if name not in theirs.epoch.parts:
            return measured("train_validation_differ", f"Validation data has no part {name}.", remedy)
        ours, other = mine.epoch.parts[name], theirs.epoch.parts[name]
        ranks = [{len(shape) for shape in part.shapes} for part in (ours, other)]
        if ranks[0] != ranks[1]:
            return measured("train_validation_differ", "Their inputs have different numbers of axes.", remedy)
    if mine.features is None or theirs.features is None or min(mine.count, theirs.count) < 16:
        return None
    if mine.features.shape[1] != theirs.features.shape[1]:
        return (
            measured("train_validation_differ", "Their inputs have different shapes.", remedy)
            if (not mine.is_picture)
            else None
        )
    spread = max(float(mine.features.std()), 1e-9), max(float(theirs.features.std()), 1e-9)
    apart = abs(float(mine.features.mean() - theirs.features.mean())) / max(spread)
    if max(spread) / min(spread) > 2 or apart > 2 * APART:
        told = f"Training inputs go from {mine.low:.4g} to {mine.high:.4g}, validation inputs from {theirs.low:.4g} to "
        return measured("train_validation_differ", f"{told}{theirs.high:.4g}.", remedy)
    if mine.is_picture and (channels := mine.kept[0].shape[-1]) == 3 == theirs.kept[0].shape[-1]:
        means = [each.reshape(-1, channels).mean(axis=0) for each in (mine.features, theirs.features)]
        straight, swapped = np.abs(means[0] - means[1]).max(), np.abs(means[0] - means[1][::-1]).max()
        if straight > 0.1 * max(spread) and swapped < 0.3 * straight:
            return measured("train_validation_differ", "Their red and blue channels are exchanged.", remedy)
    return None


def wrong_scale(case: Case) -> Finding | None:
    """Pixels outside of the range that the model expects."""
    reading = case.epochs[0]
    if case.model is None or not reading.is_picture or reading.low < -200:
        return None
    layers = list(_layers(case.model))
    kinds = [type(layer).__name__ for layer in layers]
    divides = any(type(layer).__name__ == "Rescaling" and np.max(layer.scale) < 0.1 for layer in layers)
    told = f"Pixels go from {reading.low:.4g} to {reading.high:.4g}"
    if divides and reading.high <= 2:
        rule = f"{told}, and the model divides by 255 itself."
        return measured("wrong_scale", rule, "give it 0 to 255: divide in one place only")
    if divides:
        return None
    if 0 < reading.high < 0.02 and reading.low >= 0:
        return measured("wrong_scale", f"{told}: they were divided twice.", "divide by 255 once")
    if any(kind in OWN_SCALE for kind in kinds[:3]) or reading.high <= 20:
        name = case.model.name.lower() + " ".join(layer.name for layer in layers[:3]).lower()
        if any(each in name for each in CAFFE) and reading.low >= 0 and reading.high <= 1.01:
            return suspected(
                "wrong_scale",
                f"{told}; {name} expects its own preprocess_input.",
                "use preprocess_input [fact: resnet-takes-its-own-scale]",
            )
        return None
    known = {"InputLayer", "Conv2D", "Dense", "Flatten", "SeparableConv2D", "DepthwiseConv2D", "ZeroPadding2D"}
    make: Any = measured if kinds and set(kinds[:2]) <= known else suspected
    return make(
        "wrong_scale",
        f"{told}, and the model does not rescale.",
        "divide by 255, or add Rescaling(1 / 255) [fact: rescaling-is-one]",
    )


def _layers(model):
    for layer in getattr(model, "layers", []):
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


def unfitted_statistics(case: Case) -> Finding | None:
    """ImageDataGenerator's feature-wise options without fit."""
    generator = getattr(case.feed.data, "image_data_generator", None)
    for option, needed in (("featurewise_center", "mean"), ("featurewise_std_normalization", "std")):
        if getattr(generator, option, False) and getattr(generator, needed, None) is None:
            told = f"{option} is on, and its statistics were never computed: nothing is normalised."
            return measured("unfitted_statistics", told, "call generator.fit(x_train) first [fact: idg-unfitted]")
    return None


def wrong_length(case: Case) -> Finding | None:
    """An epoch that is no pass over the data."""
    if empty := [number for number, size in enumerate(case.epochs[0].epoch.sizes) if not size]:
        told = f"Batch {empty[0]} is empty: __len__ promises more than there is."
        return measured("wrong_length", told, "return ceil(examples / batch_size) from __len__")
    known = case.examples_in_graph if case.source is None else case.source.count
    steps, sizes = case.given_steps, case.epochs[0].epoch.sizes
    if not known or not steps or (case.source is None and not case.has_stage("Repeat")):
        return None
    epoch, batch = steps * max(sizes), max(sizes)
    if abs(epoch - known) < batch:
        return None
    return measured(
        "wrong_length",
        f"steps_per_epoch is {steps}, of {batch} examples each: {epoch} in an epoch, and the data has {known}.",
        f"steps_per_epoch={-(-known // batch)} [facts: too-many-steps-cut-the-epoch, too-few-steps-go-on]",
    )


RULES = (
    garbage_examples,
    unstable_order,
    split_leak,
    biased_split,
    augmented_validation,
    train_validation_differ,
    wrong_scale,
    unfitted_statistics,
    wrong_length,
)
