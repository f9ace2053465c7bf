"""
What each question of a test tells
==================================

Fifteen hundred people, ten questions, a fifth of the answers missing. The curve of a question says with what chance
people of an ability get it right: where it rises, there the question tells people apart. One question is broken, and
one can be guessed.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(2)
n_people = 1500
ability = rng.normal(size=n_people)
slope = np.array([1.6, 0.6, 1.2, 2.2, 1.0, 1.4, 0.9, 1.8, 1.3, 0.0])
difficulty = np.array([-1.8, -1.2, -0.8, -0.4, 0.0, 0.3, 0.7, 1.1, 1.6, 0.2])
guessing = np.array([0, 0, 0, 0, 0, 0, 0, 0.25, 0, 0.0])
chance = guessing + (1 - guessing) / (1 + np.exp(-slope * (ability[:, None] - difficulty)))
answers = np.where(rng.random(chance.shape) < 0.8, rng.random(chance.shape) < chance, np.nan)
names = [f"question {j}" for j in range(10)]
table = hs.Observed.from_dense(answers, col_labels=names)

# %%
# Fit
# ---
# People are integrated out. ``items_`` has slopes and difficulties with their errors; ``item_fit`` asks of every
# question whether its answers follow the shape that the model gives it. The smallest p-value is that of question 7.

model = hs.ItemResponseModel("2pl").fit(table)
inference = model.inference(level=0.95)
shape = inference.item_fit().to_frame("pandas")
items = model.items_.to_frame("pandas")[["col", "slope", "slope_se", "difficulty", "difficulty_se"]]
items.assign(shape_p=shape["shape_p"]).round(3)

# %%
# The curves
# ----------
# Bands are 95 %. Dots are shares of right answers in ten groups of people, by abilities drawn from what the fit leaves
# open (plausible values): grouped by estimates, which are pulled to the middle, the dots would lie too steep.
# Question 9 tells nothing, so look at its key. Question 7 is right more often than its curve among the least able:
# it can be guessed.

x = np.linspace(-3, 3, 61)
curves = model.curves(x)
drawn = inference.plausible_values(10)
edges = np.quantile(drawn, np.linspace(0, 1, 11))

figure, axes = plt.subplots(2, 5, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
for j, ax in enumerate(axes.flat):
    colour = {7: "#e76f51", 9: "#e76f51"}.get(j, "#2a6f97")
    ax.fill_between(x, curves.low[j], curves.high[j], color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, curves.values[j], color=colour)
    seen = ~np.isnan(answers[:, j])
    for low, high in pairwise(edges):
        person, which = np.nonzero((drawn >= low) & (drawn <= high) & seen[:, None])
        ax.plot(drawn[person, which].mean(), answers[person, j].mean(), ".", color="0.2", markersize=5)
    ax.set_title(names[j], fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
axes[0, 0].set(xlim=(-3, 3), ylim=(0, 1))
figure.supxlabel("ability", fontsize=10)
figure.supylabel("chance of a right answer", fontsize=10)
plt.show()

# %%
# Where the test tells something
# ------------------------------
# Abilities and difficulties lie on one scale. The test is best for people a little below the middle, where question 3
# separates sharply; of the most able it knows less, because only one question is hard.

whole = model.information(x).of("all items")
figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.hist(inference.abilities().estimate, bins=40, range=(-3, 3), color="0.85", density=True)
ax.set(xlabel="ability", yticks=[], xlim=(-3, 3))
places = np.asarray(items["difficulty"])[:9]
for j, place in enumerate(places):
    ax.plot([place, place], [0, 0.03], color="#2a6f97", linewidth=2)
    ax.annotate(str(j), (place, 0.065 if j == 6 else 0.035), ha="center", fontsize=8, color="#2a6f97")
right = ax.twinx()
right.plot(x, 1 / np.sqrt(1 + whole.values[0]), color="#e76f51")
right.set(ylabel="error of an ability", ylim=(0, 1))
right.yaxis.label.set_color("#e76f51")
plt.show()
