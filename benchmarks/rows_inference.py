"""What intervals cost: against the fit they belong to, and a bootstrap draw against a gradient pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from measure import Line, interleave

SIDE, RANK, SHARE = 1000, 2, 0.5


def _fitted(family: str, side: int):
    import halfseen as hs

    data = hs.datasets.make_factor_data(side, side, RANK, family, observed=SHARE, random_state=0)
    model = hs.GeneralizedFactorModel(RANK, family, penalty="none", random_state=0)
    return data, model.fit(data.observed)


def _all_intervals(model) -> None:
    i = model.inference(random_state=0)
    i.intercepts(), i.row_factors(), i.col_factors()
    side = len(model.intercept_)
    i.ellipsoid(np.arange(side)), i.ellipsoid(np.arange(side), axis="cols")


def intervals(rounds: int = 5) -> Iterator[Line]:
    """CPU time of intervals for all parameters over that of the fit (unpenalised, bias-corrected), half seen."""
    for family, side in (("bernoulli", SIDE), ("poisson", SIDE), ("ordinal", 400), ("negative_binomial", 400)):
        data, model = _fitted(family, side)
        contestants = {"intervals": lambda m=model: _all_intervals(m), "fit": lambda m=model, d=data: m.fit(d.observed)}
        t = interleave(contestants, rounds)
        what, note = f"intervals of all parameters over the fit, {family} {side}", f"fit {t.typical('fit'):.2f} s"
        yield Line("10", what, 1.0, None, t.ratio("intervals", "fit"), note=note)


def draws(rounds: int = 7, batch: int = 50) -> Iterator[Line]:
    """CPU time of one multiplier draw of all rows' errors, and of its pair scan, over one gradient pass."""
    from halfseen.engines import EntryPasses
    from halfseen.inference import MultiplierDraws, pair_maximum
    from halfseen.losses import get_loss

    data, model = _fitted("bernoulli", SIDE)
    i = model.inference(random_state=0)
    passes = EntryPasses(data.observed, get_loss("bernoulli"))
    boot = MultiplierDraws(*i._view.uncertainty.influences(i._view.passes))
    none, rows, se = np.zeros(0, dtype=np.int64), np.arange(SIDE), i.row_factors(0).se
    errors = np.concatenate([one for one, _ in boot.batches(batch, np.random.default_rng(0), rows, none)])[:, :, 0]

    def gradient() -> None:
        for _ in range(batch):
            passes.loss_and_gradient(model.row_factors_, model.col_factors_, col_offset=model.intercept_, want="ABc")

    def draw() -> None:
        for _ in boot.batches(batch, np.random.default_rng(0), rows, none):
            pass

    def every_pair() -> None:
        upper = np.triu_indices(SIDE, 1)
        scale = np.hypot(se[upper[0]], se[upper[1]])
        for line in errors[: max(1, batch // 10)]:
            np.abs((line[upper[0]] - line[upper[1]]) / scale).max()

    scan = lambda: pair_maximum(errors, se)  # noqa: E731
    t = interleave({"gradient": gradient, "draw": draw, "scan": scan, "all": every_pair}, rounds)
    per_pass = t.typical("gradient") / batch
    note = f"gradient pass {1e3 * per_pass:.2f} ms, n = p = {SIDE}, half seen"
    what = "one multiplier draw of the rows' errors, in gradient passes"
    yield Line("11", what, 3.0, 1.0, t.ratio("draw", "gradient"), note=note)
    yield Line("11", "its pair scan, in gradient passes", None, None, t.ratio("scan", "gradient"), note="pruned, exact")
    gain = (t.typical("all") / max(1, batch // 10)) / (t.typical("scan") / batch)
    yield Line("11", "pair scan: plain NumPy over all pairs, against it", 1.0, 5.0, gain, is_upper=False)
