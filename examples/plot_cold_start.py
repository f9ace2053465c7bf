"""
How much do the first ratings tell of a new user?
=================================================

Of a new user, age and interests are known and no rating at all. Features say what people like them like; ratings say
what *they* like. The error against the number of ratings shows what each is worth, and that one wants both.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(3)
n_known, n_new, n_films = 600, 150, 120
people, films = rng.normal(size=(n_known + n_new, 4)), rng.normal(size=(n_films, 4))
taste = np.column_stack([people @ rng.normal(size=(4, 2)) / 2, rng.normal(size=(n_known + n_new, 2))])
trait = np.column_stack([films @ rng.normal(size=(4, 2)) / 2, rng.normal(size=(n_films, 2))])
truth = 3.5 + 0.4 * rng.normal(size=n_films) + 0.45 * taste @ trait.T
ratings = truth + 0.5 * rng.normal(size=truth.shape)
known = np.where(rng.random((n_known, n_films)) < 0.15, ratings[:n_known], np.nan)

# %%
# Three models
# ------------
# One knows only ratings, one only features. The third is both: what features leave over is factored.

by_ratings = hs.BayesianFactorization(rank=8, max_iter=150, random_state=0).fit(known)
by_features = hs.InductiveCompletion(3, "linear", effects="cols", random_state=0)
by_features.fit(known, row_features=people[:n_known], col_features=films)
rest = known - by_features.predict_table()
left_over = hs.BayesianFactorization(rank=8, max_iter=150, random_state=0).fit(rest)

# %%
# New users, one rating after the other
# -------------------------------------
# The last forty films are kept for judging. Nobody is fitted anew: a row of ratings is placed against the films.

first = rng.permuted(np.tile(np.arange(80), (n_new, 1)), axis=1)
new, guess = ratings[n_known:], by_features.predict_table(people[n_known:], np.arange(n_films))
counts = [0, 1, 2, 3, 5, 8, 12, 20, 40]
mean = np.nanmean(known, axis=0)
errors = {"ratings": [], "features": [], "features, then ratings": []}
for count in counts:
    given = np.full(new.shape, np.nan)
    np.put_along_axis(given, first[:, :count], np.take_along_axis(new, first[:, :count], axis=1), axis=1)
    ratings_only = by_ratings.predict(given) if count else np.tile(mean, (n_new, 1))
    both = guess + (left_over.predict(given - guess) if count else 0)
    for name, predicted in zip(errors, (ratings_only, guess, both), strict=True):
        off = predicted[:, 80:] - truth[n_known:, 80:]
        errors[name].append(np.sqrt(np.mean(off**2, axis=1)))

# %%
# Lines are means over new users, bands twice their standard error.

figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
place = np.arange(len(counts))
colours = ("#6c757d", "#e9a23b", "#2a6f97")
for (name, each), colour in zip(errors.items(), colours, strict=True):
    centre = np.array([error.mean() for error in each])
    width = np.array([2 * error.std() / np.sqrt(n_new) for error in each])
    ax.fill_between(place, centre - width, centre + width, color=colour, alpha=0.2, linewidth=0)
    ax.plot(place, centre, "o-", color=colour, markersize=4, label=name)
nothing = np.sqrt(np.mean((mean[80:] - truth[n_known:, 80:]) ** 2, axis=1)).mean()
ax.axhline(nothing, color="0.4", linestyle=":", linewidth=1)
ax.annotate("mean of each film", (place[-1], nothing), ha="right", va="bottom", fontsize=8, color="0.4")
ax.set(xticks=place, xticklabels=counts, xlabel="ratings given", ylabel="error of the expected rating", ylim=(0, None))
ax.legend(frameon=False, loc="lower left")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
