"""
What is bought together, from three products a receipt
======================================================

Sixty thousand customers, forty products, and of each customer three amounts. No customer can be completed, but every
two amounts of one say something of how two products go together. How sure is it, and which pairs could be chance?
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(1)
shelves = ("bread", "greens", "baby", "drinks", "pets")
shelf = np.repeat(np.arange(5), 8)
n, width = 60_000, len(shelf)
kin = np.array([[1, 0.5, 0, 0, 0], [0.5, 1, 0, -0.4, 0], [0, 0, 1, 0, 0], [0, -0.4, 0, 1, 0], [0, 0, 0, 0, 1]])
pull = rng.uniform(0.4, 1.2, width)
truth = pull[:, None] * kin[np.ix_(shelf, shelf)] * pull
col = np.argsort(rng.random((n, width)), axis=1)[:, :3].ravel()
row = np.repeat(np.arange(n), 3)
habit = rng.normal(size=(n, 5)) @ np.linalg.cholesky(kin).T
amount = habit[row, shelf[col]] * pull[col] + 0.7 * rng.normal(size=3 * n)
seen = hs.Observed.from_triplets(row, col, amount, shape=(n, width))
seen

# %%
# Amounts are above or below what is usual (logarithms, centred): second moments count from 0.

model = hs.OneSidedCompletion(rank=5, random_state=0).fit(seen)
inference = model.inference(level=0.95)
moments = inference.second_moment()
i, j = np.triu_indices(width, k=1)
inside = np.mean((moments.low <= truth[i, j]) & (truth[i, j] <= moments.high))
is_clear = (moments.low > 0) | (moments.high < 0)
{
    "second moments in their 95 % intervals": round(float(inside), 2),
    "clear pairs": int(is_clear.sum()),
    "clear though nothing is there": f"{np.mean(is_clear[truth[i, j] == 0]):.0%}",
}

# %%
# The picture
# -----------
# Below the diagonal what pairs of amounts say, on average, as they come: some 230 products of two numbers in
# each cell. Above it the model, where a pair is clearly not 0. Right the truth against the intervals of some pairs.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", width_ratios=(1.1, 1))
raw = model.moments_.at(i, j)
shown = np.full((width, width), np.nan)
shown[j, i] = raw.sums / raw.counts
shown[i, j] = np.where(is_clear, moments.estimate, np.nan)
image = left.imshow(shown, cmap="RdBu", vmin=-0.9, vmax=0.9)
for edge in range(8, width, 8):
    left.axhline(edge - 0.5, color="0.6", linewidth=0.5)
    left.axvline(edge - 0.5, color="0.6", linewidth=0.5)
middle = np.arange(3.5, width, 8)
left.set(xticks=middle, yticks=middle)
left.set_xticklabels(shelves)
left.set_yticklabels(shelves)
left.tick_params(length=0)
figure.colorbar(image, ax=left, shrink=0.8, label="second moment")
some = rng.choice(len(i), 90, replace=False)
some = some[np.argsort(moments.estimate[some])]
place = np.arange(len(some))
right.vlines(place, moments.low[some], moments.high[some], color="#2a6f97", alpha=0.5, linewidth=2)
is_in = (moments.low[some] <= truth[i, j][some]) & (truth[i, j][some] <= moments.high[some])
right.plot(place[is_in], truth[i, j][some][is_in], ".", color="0.2", label="truth")
right.plot(place[~is_in], truth[i, j][some][~is_in], "x", color="#e76f51", label="truth, outside")
right.axhline(0, color="0.6", linewidth=0.7)
right.set(xlabel="ninety pairs, by estimate", ylabel="second moment, 95 %", xticks=[])
right.legend(frameon=False)
right.spines[["top", "right"]].set_visible(False)
plt.show()
