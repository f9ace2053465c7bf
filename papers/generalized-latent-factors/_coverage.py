"""One repetition of the coverage study: every kind of interval of one simulated table against the truth."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import chdtr, ndtr

import halfseen as hs
from halfseen.inference import Span, printed_rank_intervals
from halfseen.losses import get_loss
from halfseen.losses.derived import response_range
from halfseen.metrics import coverage

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
CELLS = 4000
KINDS = ("published", "corrected")
FIT = {"published": {"bias": "none"}, "corrected": {}}
ASK = {"published": {"variance": "plug_in", "gauge": "plain"}, "corrected": {}}
DRAWS = {"published": "multiplier", "corrected": "gaussian"}


def table(n: int, p: int, family: str, share: float, seed: int) -> hs.datasets.FactorData:
    """The paper's simulation, also in other families (counts with intercepts 0)."""
    more = {"intercept": 0.0} if family == "poisson" else {}
    return hs.datasets.make_factor_data(n, p, 2, family, observed=share, random_state=seed, **more)


def repetition(n: int, p: int, family: str, share: float, seed: int) -> list[dict[str, Any]]:
    """A row per kind of interval; one that was refused says why."""
    data = table(n, p, family, share, seed)
    rows = []
    for kind in KINDS:
        model = hs.GeneralizedFactorModel(2, family, penalty="none", random_state=seed, **FIT[kind])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a separated fit warns; what follows from it is counted
            try:
                i = model.fit(data.observed).inference(level=0.95, random_state=seed, **ASK[kind])
                rows.append({"kind": kind, "refused": "", **judged(i, data, DRAWS[kind], seed)})
            except ValueError as error:
                rows.append({"kind": kind, "refused": str(error)[:120]})
    return rows


def judged(i: Any, data: hs.datasets.FactorData, method: str, seed: int) -> dict[str, float]:
    """Shares of the truths inside, over levels; whether simultaneous statements held; widths; slopes."""
    turn = np.sign((i.row_factors_estimate * data.row_factors).sum(axis=0))
    X, Y = data.row_factors * turn, data.col_factors * turn
    unseen, seen = cells(data, seed)
    found: dict[str, float] = {}
    for name, reached in reach(i, data, X, Y, unseen, seen).items():
        for level in LEVELS:
            found[f"{name} {level:g}"] = float(np.mean(reached <= level))
    x, m = i.row_factors(), i.entries(*seen, kind="linear")
    found["slope X"], found["slope Y"] = slope(i.row_factors_estimate, X), slope(i.col_factors_estimate, Y)
    found["slope M"] = slope(m.estimate - m.estimate.mean(), data.linear[seen] - data.linear[seen].mean())
    found["width X"] = float(x.width.mean())
    found["unreliable rows"] = float(np.mean(~i.reliable_rows))
    return {**found, **together(i, data, X, unseen, method)}


def cells(data: hs.datasets.FactorData, seed: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Random unseen and seen cells."""
    mask, rng = np.ones(data.observed.shape, dtype=bool), np.random.default_rng(seed)
    mask[data.observed.rows, data.observed.cols] = False
    parts = (rng.permutation(np.argwhere(which))[:CELLS].T for which in (mask, ~mask))
    unseen, seen = ((part[0], part[1]) for part in parts)
    return unseen, seen


def reach(i: Any, data: hs.datasets.FactorData, X: Any, Y: Any, unseen: Any, seen: Any) -> dict[str, Any]:
    """For every truth the level of the smallest interval that holds it: uniform on (0, 1) if intervals are right."""
    asked = {"zeta": (i.intercepts(), data.intercept)}
    x, y, s = i.row_factors(), i.col_factors(), i.scores()
    m, hidden = i.entries(*seen, kind="linear"), i.entries(*unseen, kind="linear")
    made = {name: level_of(part.estimate - truth, part.se) for name, (part, truth) in asked.items()}
    for k in range(2):
        made[f"X{k + 1}"] = level_of(x.estimate[:, k] - X[:, k], x.se[:, k])
        made[f"Y{k + 1}"] = level_of(y.estimate[:, k] - Y[:, k], y.se[:, k])
    made["M seen"] = level_of(m.estimate - data.linear[seen], m.se)
    made["M unseen"] = level_of(hidden.estimate - data.linear[unseen], hidden.se)
    made["score"] = score_level(s, data)
    made["ellipsoid X"] = ellipsoid_level(i.ellipsoid(np.arange(len(X))), X)
    made["ellipsoid Y"] = ellipsoid_level(i.ellipsoid(np.arange(len(Y)), axis="cols"), Y)
    return made


def level_of(error: Any, se: Any) -> Any:
    """Level of the symmetric normal interval that just holds the truth; 0 where nothing is known (se infinite)."""
    ratio = np.abs(np.divide(error, se, out=np.full_like(error, np.inf), where=se > 0))
    return 2.0 * ndtr(ratio) - 1.0


def score_level(scores: Any, data: hs.datasets.FactorData) -> Any:
    """The same for mean responses, on the scale that their intervals are symmetric on."""
    low, high = response_range(get_loss(data.family) if data.loss is None else data.loss)
    span = Span(np.full(len(scores), low), np.full(len(scores), high))
    at, se = span.scaled(scores.estimate, scores.se)
    return level_of(at - span.scaled(data.mean.mean(axis=1), scores.se)[0], se)


def ellipsoid_level(ellipsoids: Any, points: Any) -> Any:
    """Level of the chi-square ellipsoid that just holds each point."""
    known = np.isfinite(ellipsoids.covariance).all(axis=(1, 2))
    away, made = points - ellipsoids.estimate, np.zeros(len(points))
    solved = np.linalg.solve(ellipsoids.covariance[known], away[known][..., None])[..., 0]
    made[known] = chdtr(points.shape[1], np.einsum("mk,mk->m", away[known], solved))
    return made


def slope(estimate: Any, truth: Any) -> float:
    """Regression of estimates on truths, without intercept: 1 without bias."""
    return float((estimate * truth).sum() / np.square(truth).sum())


def together(i: Any, data: hs.datasets.FactorData, X: Any, unseen: Any, method: str) -> dict[str, float]:
    """Statements that must hold for all rows or cells at once (1 or 0), and how wide the ranks' intervals are."""
    n, found = len(X), {}
    for component in range(2):
        band = i.band("row_factors", component=component, method=method)
        found[f"band X{component + 1}"] = held(band, X[:, component])
    few = (unseen[0][:1500], unseen[1][:1500])
    band = i.band("entries", rows=few[0], cols=few[1], kind="linear", method=method)
    found["band of 1500 unseen entries"] = held(band, data.linear[few])
    found["band of scores"] = held(i.band("scores", method=method), data.mean.mean(axis=1))
    rank = np.argsort(np.argsort(-X[:, 0])) + 1
    both = {one: i.ranks(of=0, kind="simultaneous", method=one) for one in ("multiplier", "gaussian")}
    x, q = i.row_factors(component=0), both[method].quantile
    kinds = {
        "simultaneous": both[method],
        "printed": printed_rank_intervals(x.estimate, x.se, q),
        "per_item": i.ranks(of=0),
    }
    for kind, ranks in kinds.items():
        inside = coverage(ranks.low, ranks.high, rank)
        found[f"ranks {kind}"] = inside if kind == "per_item" else float(inside == 1.0)
        found[f"rank width {kind}"] = float((ranks.high - ranks.low).mean() / n)
    found["quantile simultaneous"] = q
    found["multiplier over gaussian quantile"] = both["multiplier"].quantile / both["gaussian"].quantile
    return found


def held(band: Any, truth: Any) -> float:
    return float(coverage(band.low, band.high, truth) == 1.0)
