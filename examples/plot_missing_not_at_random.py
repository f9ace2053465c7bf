"""
Why answers are missing matters more than how many
==================================================

The same 120 systems and 60 tasks, about half of the answers seen, for three reasons: by chance; because better systems
were given harder tasks; and because wrong answers were reported less often than right ones. A factor model sees through
the second. Nothing that looks only at the table sees through the third, but one can ask how much would have to be
hidden to change the order.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(4)
ability, difficulty = rng.normal(size=(120, 1)), 1.2 * rng.normal(size=60)
chance = 1 / (1 + np.exp(difficulty - ability))
answers = (rng.random(chance.shape) < chance).astype(float)
truth = chance.mean(axis=1)
harder_for_better = 1 / (1 + np.exp(-1.5 * ability * difficulty))
reasons = {
    "by chance": np.full(chance.shape, 0.5),
    "harder tasks for better systems": harder_for_better,
    "wrong answers kept quiet": np.where(answers == 1, 0.7, 0.3),
}
tables = {name: np.where(rng.random(chance.shape) < share, answers, np.nan) for name, share in reasons.items()}

# %%
# Three fits
# ----------
# What a fit can see, it says. Here the warnings are collected instead of shown.

models, told = {}, {}
for name, table in tables.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models[name] = hs.ItemResponseModel("rasch").fit(table)
    told[name] = [str(warning.message).split(":")[0] for warning in caught]
told

# %%
# Scores of the systems against the truth, with 95 % intervals; grey the means of the answers there are. The warning of
# the second table is a false alarm for the model and a true one for the means. Of the third, only the number of
# answers gives it away.

figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    scores = model.inference(level=0.95).scores()
    is_in = (scores.low <= truth) & (truth <= scores.high)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    ax.plot(truth, np.nanmean(tables[name], axis=1), ".", color="0.7", markersize=4, label="mean of the answers")
    for inside, colour in ((is_in, "#2a6f97"), (~is_in, "#e76f51")):
        ax.vlines(truth[inside], scores.low[inside], scores.high[inside], color=colour, alpha=0.35, linewidth=1.2)
        ax.plot(truth[inside], scores.estimate[inside], ".", color=colour, markersize=4)
    ax.set_title(f"{name}\n{np.mean(is_in):.0%} of the intervals hold", fontsize=10)
    ax.set(xlabel="score on all tasks", xlim=(0, 1), ylim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("score by the model")
axes[0].legend(frameon=False, loc="lower right", fontsize=8)
plt.show()

# %%
# How much would have to be hidden?
# ---------------------------------
# ``sensitivity()`` of the factor model supposes that unseen answers are worse (or better) than the model says, by a
# stated amount. Nothing in the table says which amount is right; but an order that changes at a small one should not
# be reported as an order.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the warning above once more
    factor = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0)
    factor.fit(tables["wrong answers kept quiet"])
tilts = np.linspace(-1.5, 0.5, 9)
tilted = factor.inference(level=0.95).sensitivity(deltas=tilts)
score, low, high = (tilted[name].reshape(len(tilts), -1) for name in ("score", "low", "high"))
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
colours = ("#6c757d", "#e9a23b", "#8ab17d", "#2a6f97")
for system, colour in zip(np.argsort(truth)[[10, 45, 80, 115]], colours, strict=True):
    ax.fill_between(tilts, low[:, system], high[:, system], color=colour, alpha=0.2, linewidth=0)
    ax.plot(tilts, score[:, system], color=colour)
    ax.plot(tilts[0] - 0.08, truth[system], ">", color=colour)
ax.axvline(0, color="0.5", linestyle=":", linewidth=1)
ax.set(xlabel="unseen answers are better (right) or worse (left) than predicted", ylabel="score", ylim=(0, 1))
ax.annotate("truth", (tilts[0] - 0.08, 0.98), ha="center", va="top", fontsize=8, color="0.3")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
