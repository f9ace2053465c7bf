"""
How columns move together, from rows seen three times
=====================================================

Fifty thousand rows over sixty columns, three entries in each. No row can be completed; together they determine the
second moment of the columns, its errors, and the number of factors.
"""

import numpy as np

import halfseen as hs
from halfseen.show.moments import plot_moment_fit, plot_second_moment

rng = np.random.default_rng(0)
n, d, r = 50_000, 60, 3
loadings = rng.normal(size=(d, r)) * [1.5, 1.0, 0.7]
cols = np.argsort(rng.random((n, d)), axis=1)[:, :3].ravel()
rows = np.repeat(np.arange(n), 3)
values = np.einsum("ek,ek->e", rng.normal(size=(n, r))[rows], loadings[cols]) + 0.5 * rng.normal(size=3 * n)
seen = hs.Observed.from_triplets(rows, cols, values, shape=(n, d))
seen

# %%
# The rank is the one that predicts the pairs of a held-out fifth of the rows best.
model = hs.OneSidedCompletion(rank="auto", ranks=(1, 2, 3, 4, 6), random_state=0).fit(seen)
model.rank_, round(model.psi_, 3)

# %%
# Left the mean products of the pairs, right what remains of them: three factors and a variance that they leave.
figure = plot_second_moment(model)

# %%
# The truth was 3 factors and a variance of 0.25. Intervals come from the spread between groups of rows.
inference = model.inference()
figure_2 = plot_moment_fit(model, inference)

# %%
# How many of the second moments lie in their 95 % intervals, and how far off the row space may be (degrees):
found, truth = inference.second_moment(), loadings @ loadings.T
i, j = np.triu_indices(d, k=1)
inside = np.mean((found.low <= truth[i, j]) & (truth[i, j] <= found.high))
round(float(inside), 3), round(inference.row_space().largest, 1)
