"""What pipelines and kinds of work are called in a report, for readers who have never seen the kit's labels."""

import json
from collections.abc import Iterable

from helpers.checks import few
from helpers.ratios import Verdict
from helpers.results.answers import Answer, Feeder, Lead
from helpers.results.lengths import rounded
from helpers.results.pairs import READ_FROM

BUILDERS = {
    "py_dataset": "Sequence",
    "tf_data": "tf.data",
    "image_data_generator": "ImageDataGenerator",
    "tf_image_data_generator": "the kit's TFImageDataGenerator",
    "keras_layers": "Keras layers in tf.data",
    "keras_directory": "image_dataset_from_directory",
}
PLAIN = {"tf_data": "a map per image"}  # what a builder does where no knob is turned
KNOBS = {
    "map=batch": "a map per batch",
    "map=gather": "batches gathered by index",
    "repeat=True": "one iterator for all epochs",
    "cache=memory": "a cache in memory",
    "cache=file": "a cache in a file",
    "prefetch=0": "no prefetch",
    "inject_prefetch=False": "",  # goes with the one before
    "num_parallel_calls=0": "no parallel map",
    "map_parallelization=False": "",  # likewise
    "backend=opencv": "OpenCV",
    "workers=2": "2 workers",
    "workers=4": "4 workers",
}
WORKS = {"light": "Light work", "heavy": "Heavy work", "augmentation": "ImageDataGenerator's work"}
TRANSFORMS = {
    "rescale": "rescaling",
    "noise": "noise on every pixel",
    "brightness": "brightness",
    "flip_brightness": "flip and brightness",
    "resize_standardize": "resizing to 224x224",
    "shear_zoom_flip": "shear, zoom, flip",
}


def name_of(feeder: Feeder, label: str) -> str:
    """Returns what people call a pipeline; the grid's own label where a knob has no words here.

    Args:
        feeder: its builder and knobs.
        label: the grid's.
    """
    builder, knobs = feeder[0], json.loads(feeder[1])
    turned = [f"{knob}={value}" for knob, value in knobs.items()]
    if builder not in BUILDERS or not set(turned) <= set(KNOBS):
        return label
    phrases = filter(None, [KNOBS[knob] for knob in turned] or [PLAIN.get(builder, "")])
    return " with ".join(filter(None, [BUILDERS[builder], " and ".join(phrases)]))


def times(lead: Lead) -> str:
    """Returns how many times as fast, with the interval.

    Args:
        lead: of a pipeline.
    """
    return f"{lead.times:.2f} ({lead.low:.2f} to {lead.high:.2f})"


def title(answer: Answer) -> str:
    """Returns what a kind of work is called: its weight, its transforms, its batches.

    Args:
        answer: to it.
    """
    transforms = ", ".join(TRANSFORMS.get(name, name) for name in answer.among("transform"))
    heading = f"{WORKS[answer.work]}: {transforms}" if answer.work in WORKS else transforms
    decoded = ", decoded in every epoch" if "every epoch" in answer.among("decoding") else ""
    return f"{heading}; batches of {_range(answer.among('batch_size'))}{decoded}"


def place(answer: Answer) -> str:
    """Returns on what a kind of work was measured: data, the length of the epochs, and where the pictures come from.

    Args:
        answer: to it.
    """
    read = dict.fromkeys(READ_FROM[source] for source in answer.among("source"))
    return f"{few(answer.among('dataset_label'))}; {_range(answer.among('examples'))} images from {', '.join(read)}"


def recommended(answer: Answer) -> tuple[str, str, str]:
    """Returns (before the pipeline's name, its name, how it compares) of the sentence that says what to use.

    Args:
        answer: to a kind of work.
    """
    usual, chosen = name_of(answer.usual_feeder, answer.usual), _a(name_of(answer.feeder, answer.pipeline))
    told = f"{times(answer.lead)} times as fast as {_a(usual)}" if answer.lead else "no other is shown to be faster"
    verb, following = ("Use" if answer.lead else "Keep"), answer.next
    if following is None:
        return verb, chosen, f"{told}, the next best." if answer.lead else "nothing could be compared with it."
    nearest = _a(name_of(following.over_feeder, following.over))
    if not answer.lead and following.verdict == Verdict.FASTER:
        return verb, chosen, f"it is {times(following)} times as fast as the next, {nearest}."
    words = {Verdict.UNDECIDED: ", undecided", Verdict.THE_SAME: ", the same"}
    decided = words.get(Verdict(following.verdict), "")
    return verb, chosen, f"{told}; against the next, {nearest}: {times(following)}{decided}."


def _a(name):
    """The name of a pipeline in a sentence."""
    return f"a {name}" if name.startswith("Sequence") else name


def lengths(answer: Answer) -> str:
    """Returns for which lengths of an epoch an answer's lead is shown; "" where there is no lead.

    Args:
        answer: to a kind of work.
    """
    if answer.lead is None:
        return ""
    first, last = answer.shown
    if first is not None and first != first:
        return f"for the measured {_range(answer.among('examples'))} examples per epoch only"
    if first is None:
        return "for epochs of any length" if last is None else f"up to {rounded(last)} examples per epoch"
    return f"from {rounded(first)} {f'to {rounded(last)} examples per epoch' if last else 'examples per epoch on'}"


def slower_model(answer: Answer) -> str:
    """Returns from which training step on the choice does not matter, and what a trained model waited; "" if not told.

    Args:
        answer: to a kind of work.
    """
    told = []
    if answer.step_s == answer.step_s:
        step_ms = 1e3 * answer.step_s
        least = rounded(step_ms) if step_ms >= 10 else f"{step_ms:.2g}"
        told.append(f"where your model's step takes over {least} ms per batch (predicted gain: under 5%)")
    if answer.waiting:
        told.append("a small CNN here waited {:.0%} of its time, with this {:.0%}".format(*answer.waiting))
    return "; ".join(told)


def unknown(answer: Answer) -> list[str]:
    """Returns what an answer leaves open.

    Args:
        answer: to a kind of work.
    """
    told = []
    if answer.next and answer.next.verdict == Verdict.UNDECIDED:
        told.append(f"whether {name_of(answer.next.over_feeder, answer.next.over)} is faster")
    if stand_ins := [label for label in answer.among("dataset_label") if "stand-in" in label]:
        told.append(f"real pictures: {few(stand_ins)}")
    return told


def _range(values: Iterable[int]) -> str:
    ends = sorted(values)
    return " to ".join(dict.fromkeys(f"{value:,}" for value in (ends[0], ends[-1])))
