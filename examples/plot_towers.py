"""
New users from what is known of them
====================================

Two hundred people, eighty films, a fifth of the ratings, and forty people who never rated anything. What a person likes
turns on their age in waves; products of features cannot say that, a layer of tanh units can to a part, towers can.
"""

# needs: torch

import numpy as np
from matplotlib.figure import Figure

import halfseen as hs
from halfseen.methods.inductive.towers import TwoTowerCompletion

rng = np.random.default_rng(0)
people, films = rng.uniform(-1, 1, (240, 2)), rng.uniform(-1, 1, (80, 2))
truth = np.cos(4 * (people[:, :1] - films[:, 0])) + people[:, 1:] * films[:, 1]
table = np.where(rng.random(truth.shape) < 0.2, truth + 0.2 * rng.normal(size=truth.shape), np.nan)
known, new = people[:200], people[200:]

# %%
# The same call, three models.
settings = {"max_iter": 500, "n_starts": 3, "random_state": 0}
models = {
    "linear": hs.InductiveCompletion(8, "linear", **settings),
    "tanh units": hs.InductiveCompletion(8, "tanh", penalty=1e-5, **settings),
    "towers": TwoTowerCompletion(8, hidden=(32, 32), penalty=1e-4, **settings),
}
for model in models.values():
    model.fit(table[:200], row_features=known, col_features=films)

# %%
# Error for the forty new people, as a share of the spread of their ratings.
predicted = {name: model.predict_table(new) for name, model in models.items()}
{name: round(float(np.std(guess - truth[200:]) / truth[200:].std()), 2) for name, guess in predicted.items()}

# %%
# One film, every age: what each model thinks (the second feature held at 0).
ages = np.stack([np.linspace(-1, 1, 200), np.zeros(200)], axis=1)
figure = Figure(figsize=(7, 3.2), layout="constrained")
ax = figure.subplots()
for name, model in models.items():
    ax.plot(ages[:, 0], model.predict_table(ages, [0])[:, 0], label=name)
ax.plot(ages[:, 0], np.cos(4 * (ages[:, 0] - films[0, 0])), "k--", lw=1, label="truth")
ax.set(xlabel="age (standardised)", ylabel="rating of one film")
ax.legend(frameon=False)
figure
