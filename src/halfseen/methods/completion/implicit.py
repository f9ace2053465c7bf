"""Whether which cells were seen helps to predict what stands in them: judged on held-out entries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.linalg.pairs import pair_products
from halfseen.methods.completion.sampler import Choices, Sampler
from halfseen.solvers.loop import SweepResult, loop

# Chains that judge: short and of low rank, a tenth of the fit's time. Held-out entries beyond MOST tell nothing more.
RANK, BURN_IN, SWEEPS, SHARE, MOST = 8, 15, 25, 0.1, 20_000
# With fewer entries than this the comparison is a matter of chance.
LEAST_ENTRIES = 5_000
# Standard errors by which the terms have to be ahead: where missingness says nothing they are not taken by luck.
AHEAD = 2.0


@storable
@dataclass(frozen=True)
class ImplicitChoice:
    """What ``implicit="auto"`` looked at.

    Attributes
    ----------
    implicit : {"both", "none"}
        What is used.
    loss_without, loss_with : float
        Mean squared error (log loss) of held-out entries; nan where the table was too small to tell.
    standard_error : float
        Of their difference.
    """

    implicit: str
    loss_without: float = float("nan")
    loss_with: float = float("nan")
    standard_error: float = float("nan")


@dataclass
class CellMeans:
    """Watcher that averages expected values of cells over the states after a burn-in."""

    sampler: Sampler
    cells: Observed
    burn_in: int
    total: FloatArray = field(init=False)
    n: int = 0

    def __post_init__(self) -> None:
        self.total = np.zeros(self.cells.n_entries)

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        if iteration <= self.burn_in or not np.isfinite(result.value):
            return
        rows, cols, (i, j) = result.params.rows, result.params.cols, (self.cells.rows, self.cells.cols)
        linear = pair_products(rows[:, :-1], cols[:, :-1], i, j) + rows[i, -1] + cols[j, -1] + self.sampler.mean
        self.total += linear if self.sampler.is_gaussian else self.sampler.loss.mean(linear)
        self.n += 1

    def losses(self) -> FloatArray:
        """Loss of every cell at its mean."""
        mean, values = self.total / max(self.n, 1), self.cells.values.astype(float)
        if self.sampler.is_gaussian:
            return np.square(values - mean)
        return -np.log(np.where(values > 0, mean, 1.0 - mean))


def settled_implicit(sampler: Sampler, choices: Choices, rng: np.random.Generator) -> ImplicitChoice:
    """The implicit features that ``implicit="auto"`` takes: both sides' if held-out entries profit, else none.

    Notes
    -----
    Two chains of 40 sweeps at rank 8 at most, over nine tenths of the entries, without what else is known of rows and
    columns: that takes longer to learn than such chains last (MovieLens-100k: implicit features seem useless
    beside it after 40 sweeps, and take .003 to .009 from the error after 200). A table of fewer than 5000 entries, or
    one of which none can be held out, takes none.
    """
    observed = sampler.observed
    if observed.n_entries < LEAST_ENTRIES:
        return ImplicitChoice("none")
    split_rng, seed_rng = rng.spawn(2)
    try:
        share = min(SHARE, MOST / observed.n_entries)
        train, test = observed.split(share, random_state=split_rng, keep_covered=True)
    except ValueError:  # no entry can be spared
        return ImplicitChoice("none")
    short = replace(choices, rank=min(choices.rank, RANK), feature_draws="each", start_iter=min(choices.start_iter, 2))
    seed, losses = int(seed_rng.integers(2**31)), {}
    for word in ("none", "both"):
        watch = CellMeans(replace(sampler, observed=train, features=(None, None)), test, BURN_IN)
        streams = np.random.default_rng(seed).spawn(2)
        sweep, start = watch.sampler.chain(replace(short, implicit=word), *streams)
        loop(sweep, start, max_iter=BURN_IN + SWEEPS, watchers=[watch])
        losses[word] = watch.losses()
    gain = losses["none"] - losses["both"]
    error = float(np.std(gain) / np.sqrt(len(gain)))
    is_ahead = bool(np.mean(gain) > AHEAD * error)
    without, with_both = (float(np.mean(losses[word])) for word in ("none", "both"))
    return ImplicitChoice("both" if is_ahead else "none", without, with_both, error)
