"""
Which table takes part in which factor
======================================

Four tables of the same hundred and twenty patients: blood, genes, pictures, questionnaire. One process goes through all
of them, others through two or one. The picture to look at first says how much of each table each factor explains.
Numbers of factors are upper bounds (here 6 and 2): those that a table does not need are dropped.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(1)
n = 120
widths = {"blood": 20, "genes": 80, "pictures": 40, "questions": 25}
# A line per process: how strongly it moves each table.
truth = np.array([[1.0, 0.9, 0.8, 0.7], [0.9, 0.8, 0, 0], [0, 0.9, 0.8, 0], [0, 0.8, 0, 0], [0, 0, 0, 1.1]])
processes = rng.normal(size=(n, len(truth)))
tables, expected = {}, {}
for column, (name, width) in enumerate(widths.items()):
    signal = processes @ (truth[:, [column]] * rng.normal(size=(len(truth), width)))
    level, unit = rng.uniform(0, 50, width), rng.lognormal(0, 1, width)
    expected[name] = level + unit * signal
    values = expected[name] + unit * rng.normal(size=(n, width))
    tables[name] = np.where(rng.random(values.shape) < 0.9, values, np.nan)
tables["pictures"][90:] = np.nan

# %%

model = hs.HeterogeneousFactorization(6, 2, random_state=0).fit(tables)
active = np.flatnonzero(model.activity_.any(axis=1))
[model.factor_names_[k] for k in active]

# %%
# Shares of what moves each table: explained by each factor, and left over as noise. The names say who takes part; a
# factor is active where it explains more than a hundredth.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(1, 1.15), layout="constrained")
variance = truth**2 / (np.sum(truth**2, axis=0) + 1)
found = model.variance_explained_[:, active].T
names = [f"process {k + 1}" for k in range(5)], [model.factor_names_[k] for k in active]
for ax, share, lines, title in zip(axes, (variance, found), names, ("made", "found"), strict=True):
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=0.5, aspect="auto")
    for k, j in np.argwhere(share > 0.005):
        colour = "white" if share[k, j] > 0.3 else "0.2"
        ax.text(j, k, f"{share[k, j]:.0%}", ha="center", va="center", fontsize=9, color=colour)
    ax.set(xticks=range(4), yticks=range(len(lines)), title=title)
    ax.set_xticklabels(list(widths))
    ax.set_yticklabels(lines)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
figure.colorbar(image, ax=axes, label="of the table's variance", shrink=0.8)
plt.show()

# %%
# Thirty patients have no pictures. What they would show is predicted from the other tables, with 90 % intervals that
# know how much of the pictures these tell: this many hold the truth.

row, col = np.repeat(np.arange(90, n), 40), np.tile(np.arange(40), 30)
cells = model.inference(level=0.9).entries(row, col, source="pictures")
true = expected["pictures"][row, col]
round(float(np.mean((cells.low <= true) & (true <= cells.high))), 2)
