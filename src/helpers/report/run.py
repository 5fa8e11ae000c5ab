"""The results of a run: found, opened machine by machine, and the project's claims judged on them."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import claims, files, machine, paths, results
from helpers.claims import evidence
from helpers.errors import StudyError
from helpers.results.pairs import reading
from helpers.results.servers import between_servers
from helpers.results.winners import by_cores

EVIDENCE, MACHINE = "evidence.json", "machine.json"
TEMPLATES = Path(__file__).parent / "templates"
# Verdicts are told by a word and a sign, never by colour alone.
SIGNS = {"supported": "✓", "refuted": "✗", "depends": "≈", "undecided yet": "?", "not testable": "–"}
VERSIONS = ("python", "tensorflow", "tensorflow-cpu", "keras", "numpy")


@dataclass(frozen=True)
class Run:
    """One machine's results of one run.

    Attributes:
        name: of the run, for people.
        path: its folder, or the Parquet file.
        results: the rows, of one machine.
        machine: what is known of it, from machine.json or machine-ID.json; {} if there is no such file.
    """

    name: str
    path: Path
    results: pd.DataFrame
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def machine_id(self) -> str:
        """Of the machine that measured."""
        return str(self.results["machine_id"].iloc[0])

    @property
    def stand_ins(self) -> list[str]:
        """Labels of data that is a stand-in for a real set."""
        labels = self.results.loc[~self.results["real"].astype(bool), "dataset_label"]
        return [label for label in dict.fromkeys(labels) if "stand-in" in label]

    @property
    def in_short(self) -> str:
        """What measured, in one line."""
        known, cells = self.machine, self.results["cell_id"].nunique()
        versions = [
            f"{name} {known['versions'][name]}" for name in ("tensorflow", "keras") if name in known.get("versions", {})
        ]
        machine = (
            f"{known.get('cores', 0):g} cores of {known.get('cpu', '?')}" if known else f"machine {self.machine_id}"
        )
        gpus = f", {', '.join(known['gpus'])}" if known.get("gpus") else ", no GPU" if known else ""
        day = max(self.results["started_at"])[:10]
        told = [machine + gpus, ", ".join(versions), f"{cells} cells, {self._timed_epochs:,} timed epochs, {day}"]
        return "; ".join(filter(None, told))

    def facts(self) -> dict[str, str]:
        """What measured, what was measured, and on which data, as people read it."""
        facts = {"run": self.name, "machine": self.machine_id}
        if known := self.machine:
            versions = known.get("versions", {})
            facts |= {
                "CPU": f"{known.get('cpu', '?')}, {known.get('cores', 0):g} cores usable",
                "memory": f"{known.get('memory_bytes', 0) / machine.GIB:.1f} GiB",
                "GPU": ", ".join(known.get("gpus", [])) or "none",
                "system": known.get("system", "?"),
                "versions": ", ".join(f"{name} {versions[name]}" for name in VERSIONS if name in versions),
            }
        cells = self.results["cell_id"].nunique()
        facts |= {
            "measured": f"{min(self.results['started_at'])} to {max(self.results['started_at'])}",
            "cells": f"{cells}, with {len(self.results)} pipelines; {self._timed_epochs:,} timed epochs",
            "data": ", ".join(dict.fromkeys(self.results["dataset_label"])),
            "read from": "; ".join(dict.fromkeys(map(reading, self.results["source"], self.results["decoding"]))),
            "stand-ins": ", ".join(self.stand_ins) or "none",
        }
        if spread := between_servers(self.results):
            facts["kernel servers"] = str(spread)
        changes = by_cores(self.results)
        return facts | {"winner by cores": ". ".join(changes)} if changes else facts

    @property
    def _timed_epochs(self):
        return int((self.results["rounds"] * self.results["epochs_per_round"]).sum())

    def _repr_html_(self):
        return files.filled(TEMPLATES / "run.html", facts=self.facts(), stand_ins=self.stand_ins)


def find(path: str | Path = "") -> Path:
    """Returns where results are: the path given, or else the newest run, or else the project's reference.

    Raises:
        StudyError: where there are none.
    """
    if path:
        return Path(path)
    tables = sorted((paths.project_root() / "data" / "results").glob("**/*.parquet"))
    tables += sorted((paths.data_dir() / "runs").glob(f"*/{results.TABLE}"), key=lambda table: table.stat().st_mtime)
    if not tables:
        raise StudyError("no results are here yet (no run under data/runs, none in data/results); run `make study`")
    return tables[-1].parent if tables[-1].name == results.TABLE else tables[-1]


def open_runs(*runs: str | Path) -> list[Run]:
    """Opens results, one Run per path and machine: rows of different machines are never merged.

    Args:
        *runs: runs' folders or Parquet files; an empty one is left out.

    Raises:
        StudyError: where a table is not there, not whole, of another schema, or empty.
    """
    opened = []
    for path in (Path(run) for run in runs if run):
        table = results.read(path)
        if table.empty:
            raise StudyError(f"a report needs results (got a table without rows in {path}); run the sweep again")
        known = _machines(folder_of(path))
        for machine_id, rows in table.groupby("machine_id", sort=False):
            of_it = known.get(machine_id) or known.get(None, {})
            opened.append(Run(path.name if path.is_dir() else path.stem, path, rows.reset_index(drop=True), of_it))
    return opened


def _machines(folder):
    """Returns what is known of the machines that measured: id, or None where it is not told -> the description."""
    known = {}
    for described in (*folder.glob(MACHINE), *folder.glob("machine-*.json")):
        try:
            told = files.read_json(described)
        except ValueError:
            told = None
        if not _is_machine(told):
            raise StudyError(f"{described} must be JSON of a machine; remove it, `study sweep --resume` writes its own")
        known[told.get("id")] = told
    return known


def _is_machine(known):
    """Whether what a machine.json says can be what a machine is, as far as a report shows it."""
    if not isinstance(known, dict):
        return False
    kinds: dict[str, Any] = {"id": str, "cpu": str, "system": str, "cores": int | float, "memory_bytes": int | float}
    kinds |= {"gpus": list, "versions": dict}
    fits = all(isinstance(known[name], kind) for name, kind in kinds.items() if name in known)
    sizes = [known.get(name, 0) for name in ("cores", "memory_bytes")]
    return fits and all(0 <= size < 2**63 for size in sizes) and all(isinstance(g, str) for g in known.get("gpus", []))


def folder_of(run: Path) -> Path:
    """Returns the folder that a run's other files are in: itself, or that of its Parquet file."""
    return run if run.is_dir() else run.parent


def judge(run: Run, *, keeps: bool = False, retry: bool = False) -> pd.DataFrame:
    """Judges the project's claims on a run.

    Args:
        run: from `open_runs`.
        keeps: whether what was tried is kept beside the results, for the next time.
        retry: whether what was kept undecided is tried again.
    """
    asked = claims.load()
    return claims.judge(asked, run.results, shown=shown_for(run, asked, keeps=keeps, retry=retry))


def shown_for(
    run: Run, asked: list[claims.Claim], *, keeps: bool = False, retry: bool = False
) -> dict[str, evidence.Evidence]:
    """Returns what claims rest on that is shown rather than timed.

    It is read from the run's evidence.json if the machine that measured left it there; otherwise it is tried here and
    now, which takes about half a minute.

    Args:
        run: from `open_runs`.
        asked: the claims.
        keeps: whether what was tried is kept beside the results, for the next time.
        retry: whether what was kept undecided is tried again.
    """
    keep = folder_of(run.path) / EVIDENCE
    shown = evidence.kept_for(keep, run.machine_id)
    here = machine.describe().id
    where = "" if here == run.machine_id else f" (tried on machine {here})"
    missing = [name for name in claims.wanted_evidence(asked) if name not in shown or (retry and not where)]
    if missing:
        tried = evidence.kept_for(keep, here)
        if retry or not set(missing) <= set(tried):
            writable = keeps and os.access(keep.parent, os.W_OK)
            tried = evidence.collect(missing, keep=keep if writable else None, retry=retry)
        shown |= {name: replace(tried[name], text=tried[name].text + where) for name in missing}
    return shown
