"""What a user should be warned of after a fit."""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import Sources
from halfseen.methods.heterogeneous.posterior.families import column_medians
from halfseen.methods.heterogeneous.posterior.result import SourcesPosterior
from halfseen.solvers.loop import Run

# A warning and its category.
Note = tuple[str, type[Warning]]
# Entries per unknown below which a source says too little about its own part.
ENTRIES_PER_UNKNOWN = 2.0
# Rows that a source must have in common with others, for what it shares to rest on more than chance.
LEAST_COMMON = 5
# So many times the usual distance from a column's median no normal noise goes; columns of so many cells are asked.
FAR, LEAST_CELLS = 1000.0, 8


def notes_of(
    run: Run, posterior: SourcesPosterior, sources: Sources, ranks: tuple[int, tuple[int, ...]] | None
) -> list[Note]:
    """What a user should know before trusting the fit."""
    notes: list[Note] = []
    if run.reason in ("max_iter", "not_finite"):
        text = f"the fit ended after {run.n_iter} sweeps with reason {run.reason!r}; raise max_iter, or tol"
        notes.append((text, ConvergenceWarning))
    thin = []
    for place, (name, table) in enumerate(sources.items()):
        active = int(posterior.activity[:, place].sum())
        own = int(np.sum(posterior.activity[:, place] & (posterior.activity.sum(axis=1) == 1)))
        if ranks is not None:
            active, own = ranks[0] + ranks[1][place], ranks[1][place]
        rows = int(np.count_nonzero(np.bincount(table.rows, minlength=table.shape[0])))
        unknowns = table.shape[1] * (1 + active) + rows * own
        if table.n_entries < ENTRIES_PER_UNKNOWN * unknowns:
            thin.append((name, table.n_entries, unknowns))
    notes += [*unlinked(sources), *([] if thin else without_factors(posterior)), *far_out(posterior, sources)]
    if thin:
        name, entries, unknowns = thin[0]
        text = (
            f"{len(thin)} of {len(sources)} sources have fewer than {ENTRIES_PER_UNKNOWN:g} entries per unknown, first "
            f"{name!r} with {entries} for {unknowns}: what is said about them rests on the priors; look at their "
            "intervals, lower the ranks, or observe more"
        )
        notes.append((text, UserWarning))
    return notes


def unlinked(sources: Sources) -> list[Note]:
    """Sources that have next to no row in common with any other."""
    if len(sources) == 1:
        return []
    seen = np.array([np.bincount(table.rows, minlength=sources.n_rows) > 0 for table in sources.values()])
    count = seen.sum(axis=0)
    common = {name: int(np.sum(own & (count > 1))) for name, own in zip(sources.names, seen, strict=True)}
    lonely = [name for name, number in common.items() if number < LEAST_COMMON]
    if not lonely:
        return []
    text = (
        f"{len(lonely)} of {len(sources)} sources have fewer than {LEAST_COMMON} rows in common with the others, first "
        f"{lonely[0]!r} with {common[lonely[0]]}: what they share cannot be found out, and says nothing about the rows "
        "that they lack; give sources that were seen of the same rows, and check the rows' labels"
    )
    return [(text, UserWarning)]


def without_factors(posterior: SourcesPosterior) -> list[Note]:
    """No factor at all."""
    if posterior.activity.any():
        return []
    text = (
        "no source takes part in any factor: predictions are column means, and intervals of expected values do not "
        "count structure that so few entries (or so much noise) hide; intervals of single values, responses(), do"
    )
    return [(text, UserWarning)]


def far_out(posterior: SourcesPosterior, sources: Sources) -> list[Note]:
    """Cells of gaussian sources that lie absurdly far from all others of their column."""
    found = []
    for name, table in sources.items():
        if posterior._fit(name).family.name != "gaussian":
            continue
        p, values = table.shape[1], table.values.astype(float)
        rest = np.abs(values - column_medians(values, table.cols, p)[table.cols])
        usual = column_medians(rest, table.cols, p)
        usual[np.bincount(table.cols, minlength=p) < LEAST_CELLS] = 0.0
        limit = np.where(usual > 0, FAR * usual, np.inf)
        for k in np.flatnonzero(rest > limit[table.cols]):
            found.append((name, int(table.rows[k]), int(table.cols[k]), float(table.values[k])))
    if not found:
        return []
    name, row, col, value = found[0]
    text = (
        f"{len(found)} cells lie more than {FAR:g} times the usual distance from their column's median, first row "
        f"{row}, column {col} of {name!r} = {value:g}: they rule their columns; correct them, or take "
        f"family={{{name!r}: 'huber'}}"
    )
    return [(text, UserWarning)]
