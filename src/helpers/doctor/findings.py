"""What an examination found: the faults by their names, what each needs to be looked for, and a finding."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Certainty(StrEnum):
    """How far a finding is proved."""

    MEASURED = "measured"
    SUSPECTED = "suspected"


SPEED, CONTENT = "speed", "content"
# Every fault that has a name, and what it is.
FAULTS: dict[str, tuple[str, str]] = {
    "python_in_map": (SPEED, "a map calls Python for every example"),
    "per_item_python": (SPEED, "examples are made one after the other in Python"),
    "slow_generator": (SPEED, "a generator hands over single examples"),
    "map_per_element": (SPEED, "a cheap map runs on single examples instead of batches"),
    "sequential_map": (SPEED, "a costly map runs one call at a time"),
    "sequential_read": (SPEED, "files are read one after the other"),
    "no_prefetch": (SPEED, "nothing is prepared while the model trains"),
    "no_cache": (SPEED, "the same costly work is done again in every epoch"),
    "oversized_source": (SPEED, "originals are far larger than what the model gets"),
    "wasted_work": (SPEED, "examples are prepared and then thrown away"),
    "heavy_shuffle_buffer": (SPEED, "the shuffle buffer holds decoded examples"),
    "cache_too_large": (SPEED, "the cache does not fit in memory"),
    "reload_per_batch": (SPEED, "the same data is opened again for every batch"),
    "single_worker": (SPEED, "one worker waits for storage"),
    "processes_misused": (SPEED, "processes cost more than they give"),
    "thread_starvation": (SPEED, "too few threads for the parallel calls"),
    "tiny_batches": (SPEED, "the overhead of a step dominates"),
    "wide_dtype": (SPEED, "numbers are wider than they need to be"),
    "retracing": (SPEED, "shapes vary from batch to batch"),
    "rebuilt_each_epoch": (SPEED, "the dataset or the call of fit is made anew in a loop"),
    "memory_growth": (SPEED, "memory grows from epoch to epoch"),
    "frozen_augmentation": (CONTENT, "an example gets the same random change in every epoch"),
    "shared_draws": (CONTENT, "all examples of a batch get the same random draw"),
    "augmented_validation": (CONTENT, "validation data is augmented"),
    "weak_shuffle": (CONTENT, "sorted examples still come (nearly) sorted"),
    "shuffle_after_batch": (CONTENT, "batches are shuffled, not examples"),
    "frozen_order": (CONTENT, "every epoch has the same order"),
    "epochs_mixed": (CONTENT, "an epoch holds some examples twice and others not at all"),
    "wrong_length": (CONTENT, "the length does not fit the data"),
    "lost_examples": (CONTENT, "some examples are never delivered"),
    "repeated_examples": (CONTENT, "some examples come several times in an epoch"),
    "garbage_examples": (CONTENT, "some rows are no example"),
    "label_mismatch": (CONTENT, "targets are not those of their inputs"),
    "split_leak": (CONTENT, "validation examples are trained on"),
    "biased_split": (CONTENT, "training and validation hold different classes"),
    "wrong_scale": (CONTENT, "pixels are not in the range that the model expects"),
    "train_validation_differ": (CONTENT, "validation data is prepared differently"),
    "unfitted_statistics": (CONTENT, "feature-wise normalisation without fit"),
    "stale_cache": (CONTENT, "a cache file of an earlier pipeline is read"),
    "unstable_order": (CONTENT, "an order that must be kept is shuffled"),
    "unsafe_workers": (CONTENT, "workers overwrite or repeat each other's batches"),
}
# Nine of ten predicted gains were as near to the measured one: |log(predicted / measured)|, on faults that nothing was
# tuned on (benchmarks/doctor.py --predicted --half untouched).
PREDICTION_ERROR = 0.55
TYPICAL_ERROR = 0.13  # half of them were
NO_RULE = "nothing: the doctor has no reliable rule for it yet"


@dataclass(frozen=True)
class Finding:
    """A fault that was found.

    Attributes:
        fault: its name, of `FAULTS`.
        certainty: "measured" or "suspected".
        evidence: one sentence.
        remedy: what to do, in words or code.
        where: the user's file and line, or the stage; "" where it is the whole feed.
        examples: offending examples: (number in the epoch, array or value).
        gain: how many times as fast an epoch would be without it, predicted; NaN where it is not of speed.
        can_apply: whether the doctor can apply the remedy by itself.
        place: of its stage among the stages; -1 where it is the whole feed.
    """

    fault: str
    certainty: Certainty
    evidence: str
    remedy: str
    where: str = ""
    examples: tuple[tuple[int, Any], ...] = ()
    gain: float = math.nan
    can_apply: bool = False
    place: int = -1

    @property
    def kind(self) -> str:
        """Returns "speed" or "content"."""
        return FAULTS[self.fault][0]

    @property
    def gain_interval(self) -> tuple[float, float]:
        """The ends within which the gain should be, once measured, nine times in ten; at least 1."""
        spread = math.exp(PREDICTION_ERROR)
        return max(1.0, self.gain / spread), self.gain * spread

    def __str__(self):
        gain = f" About {self.gain:.1f} times as fast without it." if self.gain > 1 else ""
        where = f" at {self.where}" if self.where else ""
        return f"{self.fault} ({self.certainty}){where}: {self.evidence}{gain} Remedy: {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as for JSON."""
        return {
            "fault": self.fault,
            "kind": self.kind,
            "certainty": str(self.certainty),
            "where": self.where,
            "evidence": self.evidence,
            "examples": [number for number, _ in self.examples],
            "remedy": self.remedy,
            "gain": None if math.isnan(self.gain) else self.gain,
            "can_apply": self.can_apply,
        }


def measured(fault: str, evidence: str, remedy: str, **more: Any) -> Finding:
    """Returns a finding that the data proves."""
    return Finding(fault, Certainty.MEASURED, evidence, remedy, **more)


def suspected(fault: str, evidence: str, remedy: str, **more: Any) -> Finding:
    """Returns a finding that the graph or the code suggests."""
    return Finding(fault, Certainty.SUSPECTED, evidence, remedy, **more)
