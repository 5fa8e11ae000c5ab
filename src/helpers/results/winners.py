"""What a table of results says in short: who wins each cell, and what each knob costs."""

import json

import pandas as pd

from helpers.ratios import Verdict
from helpers.results.pairs import cell_ratio, fair_rows

CELL = (
    "cell_id",
    "dataset_label",
    "source",
    "decoding",
    "transform",
    "batch_size",
    "examples",
    "image_height",
    "shuffle",
    "cores",
    "model",
)


def winners(results: pd.DataFrame, *, margin: float = 0.05) -> pd.DataFrame:
    """Finds the fastest pipeline of every cell, and by how much it leads the next.

    Returns:
        One row per cell: its conditions, winner, builder, second, lead (time of the second over the winner's),
        and clear: whether the interval of that ratio lies beyond 1 and the two are not the same.
    """
    cells = []
    for _, rows in fair_rows(results).groupby(["machine_id", "cell_id"], sort=False):
        if len(rows) > 1:
            first, second = (row for _, row in rows.sort_values("epoch_s").head(2).iterrows())
            lead, _, _, verdict = cell_ratio(second, first, comparisons=len(rows) - 1, margin=margin)
            cell = {name: first[name] for name in CELL}
            cell |= {"winner": first["pipeline"], "builder": first["builder"], "second": second["pipeline"]}
            cells.append(cell | {"lead": lead, "clear": verdict == Verdict.SLOWER})
    return pd.DataFrame(cells)


def by_cores(results: pd.DataFrame) -> list[str]:
    """Says for each kind of cell that was measured on several numbers of cores where its winner changes.

    Returns:
        One sentence per kind of cell; none where every kind has one number of cores.
    """
    table = winners(results)
    if table.empty:
        return []
    sentences = []
    kinds = [name for name in CELL if name not in ("cell_id", "cores")]
    for _, cells in table.sort_values("cores").groupby(kinds, sort=False):
        if cells["cores"].nunique() > 1:
            first, clear = cells.iloc[0], cells[cells["clear"]]
            turns = clear["cores"][clear["winner"] != clear["winner"].shift().fillna(clear["winner"])]
            change = f"changes at {', '.join(map(str, turns))} cores" if len(turns) else "is not shown to change"
            leaders = [
                f"{cell.winner}{'' if cell.clear else f', level with {cell.second},'} on {cell.cores}"
                for cell in cells.itertuples()
            ]
            where = f"{first['dataset_label']}, {first['transform']}, batch {first['batch_size']}"
            where += f", {first['examples']:,} examples"
            sentences.append(f"{where}: the winner {change} ({'; '.join(leaders)})")
    return sentences


def knob_costs(results: pd.DataFrame) -> pd.DataFrame:
    """What each knob costs or saves: variants of a builder against the same builder untouched, same cell.

    Returns:
        A table: builder, knob setting, cells, ratio (median over cells), lowest and highest; above 1: slower; examples
        of the epochs, as text.
    """
    costs = []
    for _, rows in fair_rows(results).groupby(["machine_id", "cell_id", "builder"], sort=False):
        settings = {index: json.loads(row["knobs"] or "{}") for index, row in rows.iterrows()}
        plain = [index for index, knobs in settings.items() if not knobs]
        for index, knobs in settings.items():
            if plain and knobs:
                ratio, *_ = cell_ratio(rows.loc[index], rows.loc[plain[0]])
                setting = ", ".join(f"{name}={value}" for name, value in knobs.items())
                row = rows.loc[index]
                costs.append((row["builder"], setting, ratio, row["examples"]))
    told = pd.DataFrame(costs, columns=["builder", "setting", "ratio", "examples"]).groupby(["builder", "setting"])
    table = told["ratio"].agg(cells="count", ratio="median", lowest="min", highest="max").round(2)
    ends = told["examples"].agg(["min", "max"]).itertuples(index=False)
    return table.assign(
        examples=[" to ".join(dict.fromkeys(f"{count:,}" for count in both)) for both in ends]
    ).reset_index()
