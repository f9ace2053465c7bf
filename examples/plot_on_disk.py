"""
From files to a fit, block by block
===================================

Six files of ratings, with names for ids and in no order, become a folder of blocks once. Least squares then reads one
block after the other, never holds more than two, and comes to the numbers of a fit in memory. An interrupted fit goes
on where it stopped.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(0)
n_people, n_films, rank = 4000, 150, 3
people, films = rng.normal(size=(n_people, rank)), rng.normal(size=(n_films, rank))


def stars_of(i, j):
    """What a person gives a film."""
    return 3 + 0.6 * np.einsum("ek,ek->e", people[i], films[j]) + 0.5 * rng.normal(size=len(i))


folder = Path(tempfile.mkdtemp())
(folder / "raw").mkdir()
for part in range(6):
    cells = rng.choice(n_people * n_films, 15_000, replace=False)
    i, j = np.divmod(cells, n_films)
    lines = [f"person {a},film {b},{value:.2f}" for a, b, value in zip(i, j, stars_of(i, j), strict=True)]
    (folder / "raw" / f"part{part}.csv").write_text("\n".join(["person,film,stars", *lines]) + "\n")

# %%
# Dealt out once
# --------------
# Rows are dealt to blocks, so that all ratings of a person lie together; a rating that stands in two files is their
# mean.

hs.prepare(folder / "raw", folder / "ratings", blocks=16, duplicates="mean")
table = hs.read_table(folder / "ratings", memory="500MB")
table

# %%
# Fitted where it lies
# --------------------
# The same estimator, the same call. ``checkpoint`` keeps every iteration.

model = hs.AlternatingLeastSquares(rank, penalty=2.0, random_state=0).fit(table, checkpoint=folder / "kept")
whole = table.load()
in_memory = hs.AlternatingLeastSquares(rank, penalty=2.0, random_state=0).fit(whole)
asked = (["person 7"] * 100, [f"film {j}" for j in range(100)])
float(np.abs(model.predict(*asked) - in_memory.predict(*asked)).max().round(4))

# %%
# A fit that is stopped after three iterations and taken up again ends in the same bits.

short = hs.AlternatingLeastSquares(rank, penalty=2.0, max_iter=3, random_state=0)
short.fit(table, checkpoint=folder / "broken off")
again = hs.AlternatingLeastSquares(rank, penalty=2.0, random_state=0)
again.fit(table, checkpoint=folder / "broken off", resume=True)
bool(np.array_equal(again.col_factors_, model.col_factors_))

# %%
# Left, how the loss falls, on disk and in memory. Right, bytes of all files, of all blocks, and of what a pass holds at
# one time: the block at hand, and the next one that is read meanwhile.

raw = sum(file.stat().st_size for file in (folder / "raw").iterdir()) / 1e6
blocks = [file.stat().st_size / 1e6 for file in sorted((folder / "ratings").rglob("*")) if file.is_file()]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=(1.5, 1))
for fit, style, label in ((in_memory, "-", "in memory"), (model, "o", "from disk")):
    left.semilogy(fit.run_.trace.value, style, color="#2a6f97", label=label, markerfacecolor="white")
left.set(xlabel="iteration", ylabel="objective", xticks=range(0, 20, 5))
left.legend(frameon=False)
heights = [raw, sum(blocks), 2 * max(blocks)]
right.bar(["files", "blocks", "held at\none time"], heights, color=["0.8", "0.7", "#e76f51"])
right.set_ylabel("megabytes")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
