"""The first screen: for each kind of work what to use, by how much, how sure, from where on, and what is not known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from helpers import claims
from helpers.checks import few
from helpers.ratios import Verdict
from helpers.report import wording
from helpers.report.drawing import Interval, Scale, interval, scale
from helpers.report.run import Run
from helpers.report.switching import Switch, switch
from helpers.results.answers import Answer, Lead, answers

MOST_LINES = 10


@dataclass(frozen=True)
class Told:
    """One answer, as a reader sees it.

    Attributes:
        verb: "Use" or "Keep"; name: of the pipeline; compared: how it compares.
        place: where that was measured; lengths: of the epochs for which it is shown; "" where nothing leads.
        switch: what it takes to change over, or None; link: to its lesson.
        slower_model: where it does not matter; unknown: what is open.
        bars: (what it is compared with, the interval) of each comparison, the usual one first.
        cells: ids.
    """

    verb: str
    name: str
    compared: str
    place: str
    lengths: str
    switch: Switch | None
    link: str
    slower_model: str
    unknown: tuple[str, ...]
    bars: tuple[tuple[str, Interval], ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of work: its id in the page, its title, and each run's answer, None where it has none."""

    id: str
    title: str
    told: tuple[Told | None, ...]


@dataclass(frozen=True)
class FirstScreen:
    """The kinds of work, the scale of their bars, and what the runs do not tell."""

    kinds: tuple[Kind, ...]
    scale: Scale
    unknown: tuple[str, ...] = field(default=())


def first_screen(
    runs: Sequence[Run], verdicts: Sequence[Sequence[str]], *, link: Callable[[str], str] = str
) -> FirstScreen:
    """Returns the answers of one run, or of several side by side.

    Args:
        runs: from `open_runs`.
        verdicts: of each run's claims.
        link: name of a notebook -> where it is, as the page should link to it.
    """
    found = [{answer.key: answer for answer in answers(run.results)} for run in runs]
    keys = list(dict.fromkeys(key for of_run in found for key in of_run))
    leads = [lead for of_run in found for answer in of_run.values() for lead in _leads(answer)]
    on = scale([end for lead in leads for end in (lead.low, lead.high)])
    kinds, ids = [], set()
    for key in keys:
        of_runs = [of_run.get(key) for of_run in found]
        title = next(wording.title(answer) for answer in of_runs if answer)
        name = "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())
        ids.add(name := next(other for other in (name, *(f"{name}-{n}" for n in range(2, 99))) if other not in ids))
        kinds.append(Kind(name, title, tuple(_told(answer, on, link) if answer else None for answer in of_runs)))
    return FirstScreen(
        tuple(kinds), on, tuple(_unknown(run, of_run) for run, of_run in zip(runs, verdicts, strict=True))
    )


def lines(run: Run, screen: FirstScreen, *, which: int = 0) -> list[str]:
    """Returns the first screen as at most ten lines.

    Args:
        run: whose answers are told.
        screen: of it.
        which: number of the run in it.
    """
    known = run.machine
    machine = f"{known.get('cpu', 'machine')}, {known.get('cores', 0):g} cores" if known else run.machine_id
    told = [f"On this machine ({machine}; {run.name}):"]
    answered = [(kind.title, told_of_it) for kind in screen.kinds if (told_of_it := kind.told[which])]
    room = MOST_LINES - 3  # beside the head, what is not known, and where the report is
    shown = answered if len(answered) <= room else answered[: room - 1]
    for title, answer in shown:
        lengths = f" Holds {answer.lengths}." if answer.lengths else ""
        told.append(f"  {title}: {answer.verb.lower()} {answer.name}: {answer.compared}{lengths}")
    if len(shown) < len(answered):
        told.append(f"  … and {len(answered) - len(shown)} more kinds of work, in the report")
    if not answered:
        told.append("  no two pipelines of this run did the same work: nothing can be compared")
    return [*told, f"  Not known yet: {screen.unknown[which]}"]


def _leads(answer: Answer) -> list[Lead]:
    return [lead for lead in (answer.lead, answer.next) if lead is not None]


def _told(answer: Answer, on: Scale, link) -> Told:
    verb, name, compared = wording.recommended(answer)
    batch_size = int(max(answer.among("batch_size")))
    change = switch(answer.usual_feeder, answer.feeder, batch_size=batch_size) if answer.lead else None
    return Told(
        verb=verb,
        name=name,
        compared=compared,
        place=wording.place(answer),
        lengths=wording.lengths(answer),
        switch=change,
        link=link(change.lesson) if change and change.lesson else "",
        slower_model=wording.slower_model(answer),
        unknown=tuple(wording.unknown(answer)),
        bars=tuple(_bar(name, lead, on) for lead in _leads(answer)),
        cells=tuple(answer.cells),
    )


def _bar(name, lead, on):
    other = wording.name_of(lead.over_feeder, lead.over)
    rounds = [times for _, _, _, _, of_cell in lead.by_cell for times in of_cell]
    figures = (lead.times, lead.low, lead.high)
    told = f"{name}, times as fast as {other}"
    return other, interval(on, figures, rounds, verdict=lead.verdict, name=told)


def _unknown(run: Run, verdicts: Sequence[str]) -> str:
    """What a run as a whole does not tell."""
    rows = run.results
    batches = sorted(set(rows["batch_size"]))
    told = ["a GPU" if not run.machine.get("gpus") else "", f"batches other than {few([str(b) for b in batches], 9)}"]
    told.append("" if rows["cores"].nunique() > 1 else "other numbers of cores")
    if run.stand_ins:
        told.append(f"real pictures in place of {few(run.stand_ins)}")
    is_open = sum(verdict == claims.Judgement.UNDECIDED for verdict in verdicts)
    told.append(f"{is_open} of {len(verdicts)} published claims" if is_open else "")
    undecided = int((rows["verdict"] == Verdict.UNDECIDED).sum())
    told.append(f"{undecided} of {int(rows['time_ratio'].notna().sum())} ratios are undecided" if undecided else "")
    return "; ".join(filter(None, told))
