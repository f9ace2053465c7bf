"""
The right rank without being told
=================================

Gradient descent on two factors with far too many columns, from a tiny start, learns the components of a table one after
the other, the largest first. Stopped in time it has the signal and not the noise, and nobody had to give a rank.
"""

import numpy as np

import halfseen as hs
from halfseen.show import plot_descent, plot_growth

rng = np.random.default_rng(0)
left, right = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (120, 80))
signal = left * [60.0, 40.0, 25.0] @ right.T
table = signal + 0.3 * rng.normal(size=signal.shape)

# %%
# Forty columns for three components. "auto" stops where Stein's estimate of the error is least.
model = hs.OverparametrizedFactorization(rank=40, random_state=0).fit(table)
found = int(np.sum(model.singular_values_ > model.threshold_))
error = np.linalg.norm(model.left_ @ model.right_.T - signal) / np.linalg.norm(signal)
found, round(float(error), 3)

# %%
# Each component grows exponentially until it is there. On a logarithmic scale the noise is seen to grow too; it is
# still small when descent stops.
figure = plot_growth(model.path_, truth=[60.0, 40.0, 25.0], is_log=True)

# %%
# With half of the cells missing, entries that were held back say when to stop.
seen = np.where(rng.random(table.shape) < 0.5, table, np.nan)
incomplete = hs.OverparametrizedFactorization(rank=40, random_state=0).fit(seen)
figure_2 = plot_descent(incomplete.path_, incomplete.held_out_, incomplete.stop_time_)

# %%
# The error on the cells that nobody saw, beside that of penalised least squares that was told the rank:
unseen = np.isnan(seen)
known = hs.AlternatingLeastSquares(rank=3, random_state=0).fit(seen)
errors = [np.sqrt(np.mean((one.predict_table() - signal)[unseen] ** 2)) for one in (incomplete, known)]
[round(float(one), 3) for one in errors]

# %%
# The best approximation of every rank was passed on the way:
[(one.rank, one.time, round(one.error, 2)) for one in model.path_.passed[:3]]
