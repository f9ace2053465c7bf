"""
A leaderboard from incomplete evaluations
=========================================

Two hundred systems, five hundred yes/no questions, and every system was asked less than a third of them; weak systems
were mostly asked easy ones. The share of right answers then compares apples with pears. A factor model knows how hard
each question is, and predicts the answers nobody asked for.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(1)
n_systems, n_questions = 200, 500
ability = rng.normal(size=n_systems)
difficulty = rng.normal(scale=1.2, size=n_questions)
chance = 1 / (1 + np.exp(-(ability[:, None] - difficulty)))
true_score = chance.mean(axis=1)

# %%
# Which questions were asked depends on the system: the weaker, the easier.

lean = np.exp(0.6 * np.minimum(ability, 0)[:, None] * difficulty)
was_asked = rng.random(chance.shape) < 0.3 * lean / lean.mean(axis=1, keepdims=True)
answers = np.where(was_asked, rng.random(chance.shape) < chance, np.nan)
table = hs.Observed.from_dense(answers, row_labels=[f"system {i:03d}" for i in range(n_systems)])
table

# %%
# One factor is the ability. A penalty would pull all scores towards the middle; without one, Firth's correction takes
# its place and removes the bias of small numbers.

# The fit says that weak systems were asked easier questions. That is what it is here for, so the warning may be silent.
warnings.simplefilter("ignore", UserWarning)
model = hs.GeneralizedFactorModel(rank=1, family="bernoulli", penalty="none", random_state=0).fit(table)
predicted_score = model.predict_table().mean(axis=1)
raw_score = np.nanmean(answers, axis=1)


def error(score):
    return round(float(np.sqrt(np.mean((score - true_score) ** 2))), 3)


{"share of right answers": error(raw_score), "factor model": error(predicted_score)}

# %%
# Against the score that each system would reach on all questions:

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, score, title in zip(
    axes, (raw_score, predicted_score), ("share of right answers", "factor model"), strict=True
):
    ax.plot([0, 1], [0, 1], color="#6c757d", linestyle="--", linewidth=1)
    ax.scatter(true_score, score, s=12, color="#2a6f97")
    ax.set(title=f"{title}: error {error(score)}", xlabel="score on all questions", xlim=(0, 1), ylim=(0, 1))
axes[0].set_ylabel("score from the answers there are")
plt.show()

# %%
# The first five of the table, by the model:

order = np.argsort(-predicted_score)[:5]
[(str(table.row_labels[i]), round(float(predicted_score[i]), 2), round(float(true_score[i]), 2)) for i in order]
