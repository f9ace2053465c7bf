"""
Do intervals hold what they say?
================================

An interval of 90 % should hold nine truths of ten, not more and not fewer, on whatever table. Where the truth is
simulated this can be counted, at every level at once: twenty tables of other ranks, sizes and noises, each fitted once.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

import halfseen as hs

rng = np.random.default_rng(0)


def simulate():
    """A table with holes, and what would be read in these: rank, size, noise and holes are drawn."""
    n, p, rank = rng.integers(40, 90), rng.integers(25, 50), rng.integers(1, 4)
    noise, share = rng.uniform(0.2, 0.8), rng.uniform(0.4, 0.8)
    table = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) + noise * rng.normal(size=(n, p))
    return table, rng.random((n, p)) < share


# %%
# Where in its distribution does each truth lie?
# ----------------------------------------------
# The place of a truth in the predictive distribution, between 0 and 1, is spread evenly if the distribution is right.
# For comparison: the usual makeshift, a point prediction with the residuals' standard deviation around it.

places = {"Bayesian": [], "residuals' spread": []}
for _ in range(20):
    table, seen = simulate()
    held = np.where(seen, table, np.nan)
    row, col = np.nonzero(~seen)
    bayes = hs.BayesianFactorization(rank=6, max_iter=120, random_state=0).fit(held)
    answers = bayes.inference().responses(row, col)
    places["Bayesian"].append(norm.cdf((table[row, col] - answers.estimate) / answers.se))
    point = hs.AlternatingLeastSquares(rank=4, penalty="auto", random_state=0).fit(held)
    spread = np.std((table - point.predict_table())[seen])
    places["residuals' spread"].append(norm.cdf((table - point.predict_table())[~seen] / spread))

levels = np.linspace(0.05, 0.99, 48)
held = {
    name: np.array([[np.mean(np.abs(place - 0.5) < level / 2) for level in levels] for place in each])
    for name, each in places.items()
}
{name: round(float(share[:, np.argmin(np.abs(levels - 0.95))].mean()), 3) for name, share in held.items()}

# %%
# Left, the places of all truths: flat is right; a valley says that truths fall outside too often. Right, how many of
# them each level holds: a line per table, bold the mean.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for (name, share), colour in zip(held.items(), ("#2a6f97", "#e9a23b"), strict=True):
    every = np.concatenate(places[name])
    left.hist(every, bins=20, range=(0, 1), density=True, color=colour, alpha=0.55, label=name)
    right.plot(levels, share.T, color=colour, linewidth=0.5, alpha=0.35)
    right.plot(levels, share.mean(axis=0), color=colour, linewidth=2.5, label=name)
left.axhline(1, color="0.3", linestyle="--", linewidth=1)
left.set(xlabel="place of the truth in its distribution", ylabel="density", xlim=(0, 1))
right.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=1)
right.set(xlabel="level of the interval", ylabel="truths inside", xlim=(0, 1), ylim=(0, 1))
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
