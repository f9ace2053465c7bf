"""``halfseen complete``: a table with holes in, the same table without holes out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.filled import Filled, TableFile, cells_of, long_answer, wide_answer
from halfseen.cli.options import FeatureFiles, TableOptions
from halfseen.cli.scores import places
from halfseen.cli.screen import count, figures, note, print_json, say, share
from halfseen.cli.source import read_sides
from halfseen.cli.threads import on_threads
from halfseen.cli.written import STANDARD_OUTPUT, check_out, deliver
from halfseen.data import Observed
from halfseen.inference import NotStated
from halfseen.metrics import rmse
from halfseen.parameters import BadArgument
from halfseen.scaled import column_scales

METHODS: dict[str, str] = {
    "bayes": "BayesianFactorization",
    "als": "AlternatingLeastSquares",
    "soft-impute": "SoftImpute",
    "factor": "GeneralizedFactorModel",
    "descent": "OverparametrizedFactorization",
    "irt": "ItemResponseModel",
    "means": "BiasModel",
}

# Families whose values are counts: least squares would predict less than nothing.
COUNTS = ("poisson", "negative_binomial")


@dataclass(frozen=True)
class CompletePlan:
    """How the table is to be completed."""

    method: str = "auto"
    family: str | None = None
    rank: str | None = None
    scale: str = "auto"
    interval: float | None = None
    held_out: float = 0.1
    seed: int = 0
    threads: int | None = None
    features: FeatureFiles = field(default_factory=FeatureFiles)


def run_complete(
    data: str, plan: CompletePlan, reading: TableOptions, how: tuple[Path | None, bool, bool, bool]
) -> None:
    """Read, judge on held-out cells, fit, fill and write."""
    out, as_json, is_raw, is_quiet = how
    check_plan(plan, out)
    with TableFile.opened(data, reading) as file, on_threads(plan.threads):
        cells_of(file.observed)
        plan = settled(plan, file.observed)
        sides, _ = read_sides(plan.features, file.observed, reading)
        plan, judged = scaled_if_better(plan, file.observed, sides)
        maker = maker_of(plan, file.observed, sides)
        filled = fill(maker(file.observed), file, plan)
        is_text = out is None or out == STANDARD_OUTPUT or out.suffix.lower() in (".csv", ".tsv")
        if file.is_wide and is_text and (file.has_words or file.decimal != "."):
            note("words were written as numbers" if file.has_words else "decimal commas were written as points")
        answer = wide_answer(file, filled, is_text) if file.is_wide else long_answer(file, filled)
    facts = facts_of(data, plan, file.observed, judged)
    deliver(answer, out, False, is_raw, has_header=file.has_header)
    if out is None or out == STANDARD_OUTPUT:
        return
    if as_json:
        print_json({**facts, "file": str(out)})
    elif not is_quiet:
        tell(facts, out)


def check_plan(plan: CompletePlan, out: Path | None) -> None:
    """Refuse what cannot be done before any work."""
    check_out(out)
    if plan.method not in ("auto", *METHODS):
        raise ValueError(f"--method {plan.method!r} is not known; known are auto, {', '.join(METHODS)}")
    if plan.interval is not None and not 0 < plan.interval < 1:
        raise ValueError(f"--interval {plan.interval:g} must lie between 0 and 1, such as 0.9")
    method = METHODS.get(plan.method, METHODS["bayes"])
    if plan.interval is not None and not hasattr(getattr(hs, method), "inference"):
        raise ValueError(f"--interval: --method {plan.method} has no intervals; take bayes or factor")
    if not 0 <= plan.held_out < 1:
        raise ValueError(f"--held-out {plan.held_out} must be at least 0 and less than 1 (0.1 keeps a tenth back)")
    if plan.scale not in ("auto", "columns", "none"):
        raise ValueError(f"--scale {plan.scale!r} must be one of auto, columns, none")


def ends_of(model: Any, labels: tuple[Any, Any], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the intervals of single values (of expected ones, where a single value has none)."""
    inference = model.inference(level)
    try:
        intervals = inference.responses(*labels)
    except NotStated:
        intervals = inference.entries(*labels)
    return np.asarray(intervals.low, dtype=float), np.asarray(intervals.high, dtype=float)


def maker_of(plan: CompletePlan, observed: Observed, sides: dict[str, Any]) -> Callable[[Observed], Any]:
    """A function that fits the model that was asked for to a table, with what is known of its rows and columns."""
    if sides and plan.method != "bayes":
        given_by = next(iter(sides)).replace("_", "-")
        raise ValueError(
            f"--{given_by}: --method {plan.method} does not take features; leave them out, or take --method bayes"
        )
    hints = observed.describe()["hints"]
    family = plan.family or family_for(plan.method, hints)
    estimator: Any = getattr(hs, METHODS[plan.method])
    names = estimator().get_params()
    given: dict[str, Any] = {"random_state": plan.seed, "family": family}
    if any(hint["value"] == "ordinal" for hint in hints) and family == "gaussian":
        given["clip"] = "range"  # a rating is never above the best
    for name, option in (("rank", plan.rank), ("family", plan.family)):
        if option is not None and name not in names:
            raise ValueError(f"--{name} has no meaning for --method {plan.method}; leave it out")
    if plan.rank is not None:
        given["rank"] = parsed(estimator, "rank", plan.rank)
    given = {name: value for name, value in given.items() if name in names and value is not None}
    is_scaled = plan.scale == "columns"
    if is_scaled and family != "gaussian":
        raise ValueError(f"--scale columns is for real numbers, not for --family {family}; leave one of them out")

    def fitted(table: Observed) -> Any:
        model = estimator(**given)
        return (hs.ScaledColumns(model) if is_scaled else model).fit(table, **sides)

    return fitted


def settled(plan: CompletePlan, observed: Observed) -> CompletePlan:
    """The plan with a method: that of counts for counts, else the Bayesian one."""
    if plan.method != "auto":
        return plan
    family = next((hint["value"] for hint in observed.describe()["hints"] if hint["kind"] == "family"), "")
    if (plan.family or family) not in COUNTS:
        return replace(plan, method="bayes")
    note(f"counts: completed by --method factor --family {plan.family or family}")
    return replace(plan, method="factor", family=plan.family or family)


def parsed(estimator: Any, name: str, text: str) -> Any:
    """An option's text as what the estimator's parameter may be."""
    kind = estimator._parameters[name]
    try:
        return kind.parse(text)
    except ValueError as error:
        raise BadArgument(name, text, str(kind)) from error


def family_for(method: str, hints: list[dict[str, str]]) -> str:
    """The family that suits the values and that the method has: yes/no answers as such, all else by their means."""
    family = next((hint["value"] for hint in hints if hint["kind"] == "family"), "gaussian")
    return "bernoulli" if family == "bernoulli" and method in ("bayes", "factor", "irt") else "gaussian"


def scaled_if_better(
    plan: CompletePlan, observed: Observed, sides: dict[str, Any]
) -> tuple[CompletePlan, dict[str, Any] | None]:
    """The plan with its scale settled, and its errors on cells kept back.

    Where columns of very different spread ask for it, both ways are tried, and compared in units of the spreads; where
    no cell can be kept back, they are taken.
    """
    hints = observed.describe()["hints"]
    family = plan.family or family_for(plan.method, hints)
    asked = plan.scale == "auto" and family == "gaussian" and any(hint["value"] == "scale columns" for hint in hints)
    if not asked:
        plan = replace(plan, scale="columns" if plan.scale == "columns" else "none")
        return plan, judge(maker_of(plan, observed, sides), observed, plan)
    scaled, plain = replace(plan, scale="columns"), replace(plan, scale="none")
    units = column_scales(observed)[1]
    both = {way: judge(maker_of(way, observed, sides), observed, way, units) for way in (scaled, plain)}
    if both[scaled] is None:
        return scaled, None
    best = min(both, key=lambda way: both[way]["rmse"])  # type: ignore[index]
    note(f"columns are taken {'in units of their spread' if best is scaled else 'as they are'}, which predicts better")
    return best, both[best]


def judge(
    maker: Callable[[Observed], Any], observed: Observed, plan: CompletePlan, units: np.ndarray | None = None
) -> dict[str, Any] | None:
    """Errors on cells kept back, beside those of the column means; None where nothing is kept back.

    In units of the columns where these are given, or where the model scales them.
    """
    if not plan.held_out or observed.n_entries < 20:
        return None
    seen, hidden = observed.split(plan.held_out, random_state=plan.seed, keep_covered=True)
    if not hidden.n_entries:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit to all entries says it again
        model = maker(seen)
        means = np.asarray(hs.ColumnMean().fit(seen).predict(*places(hidden)), dtype=float)
    if units is None and isinstance(model, hs.ScaledColumns):
        units = model.column_scales_
    is_scaled = units is not None
    unit = 1.0 if units is None else units[hidden.cols]
    ours = rmse(hidden.values / unit, np.asarray(model.predict(*places(hidden)), dtype=float) / unit)
    theirs = rmse(hidden.values / unit, means / unit)
    if not ours < theirs:
        note(
            f"on cells kept back this is no better than the column means (RMSE {ours:.4g}, column means {theirs:.4g}); "
            "use --method means, or another --rank or --family"
        )
    return {
        "n_held_out": hidden.n_entries, "rmse": ours, "rmse_column_mean": theirs,
        "unit": "spread of the column" if is_scaled else "as in the table",
    }  # fmt: skip


def fill(model: Any, file: TableFile, plan: CompletePlan) -> Filled:
    """Numbers for every missing cell, on the scale of the file."""
    observed = file.observed
    lacking = np.ones(observed.shape, dtype=bool)
    lacking[observed.rows, observed.cols] = False
    i, j = np.nonzero(lacking)
    rows = i if observed.row_labels is None else observed.row_labels[i]
    cols = j if observed.col_labels is None else observed.col_labels[j]
    low = high = None
    values = np.asarray(model.predict(rows, cols), dtype=float) if len(i) else np.zeros(0)
    if plan.interval is not None:
        low, high = ends_of(model, (rows, cols), plan.interval) if len(i) else (np.zeros(0), np.zeros(0))
        low, high = low - file.shift, high - file.shift
    return Filled(i, j, values - file.shift, low, high)


def facts_of(data: str, plan: CompletePlan, observed: Observed, judged: dict[str, float] | None) -> dict[str, Any]:
    """What was done, ready for JSON."""
    n, p = observed.shape
    return {
        "source": data, "method": plan.method, "n_rows": n, "n_cols": p, "n_seen": observed.n_entries,
        "n_filled": n * p - observed.n_entries, "interval": plan.interval, "judged": judged,
    }  # fmt: skip


def tell(facts: dict[str, Any], out: Path) -> None:
    """The result on the screen."""
    cells = facts["n_rows"] * facts["n_cols"]
    say(
        f"{facts['source']}: {count(facts['n_rows'])} rows x {count(facts['n_cols'])} columns; "
        f"{count(facts['n_filled'])} cells filled ({share(facts['n_filled'] / max(cells, 1))} of them all)"
    )
    if judged := facts["judged"]:
        ours, theirs = figures([judged["rmse"], judged["rmse_column_mean"]])
        ratio = judged["rmse"] / judged["rmse_column_mean"] if judged["rmse_column_mean"] else math.nan
        say(
            f"on {count(judged['n_held_out'])} cells kept back: RMSE {ours}; column means {theirs}"
            + (" (in units of each column's spread)" if judged["unit"] != "as in the table" else "")
            + (f" (ratio {ratio:.3f})" if math.isfinite(ratio) else "")
        )
    say(str(out))
