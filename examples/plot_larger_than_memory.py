"""
More rows than memory holds
===========================

Four hundred thousand rows come in twenty blocks: days, machines, parts of a file. Each block is read, its pairs are
added up, and it is thrown away. What is kept does not grow, and what was learned from the first block gets better with
every further one.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(0)
width, rank, n_block, n_blocks = 60, 3, 20_000, 20
loadings = rng.normal(size=(width, rank)) * [1.5, 1.0, 0.7]
truth = loadings @ loadings.T


def next_block():
    """Rows with four entries each, as a file would bring them."""
    cols = np.argpartition(rng.random((n_block, width)), 4, axis=1)[:, :4].ravel()
    rows = np.repeat(np.arange(n_block), 4)
    factors = rng.normal(size=(n_block, rank))
    values = np.einsum("ek,ek->e", factors[rows], loadings[cols]) + 0.5 * rng.normal(size=len(rows))
    return hs.Observed.from_triplets(rows, cols, values, shape=(n_block, width))


# %%
# One block after the other
# -------------------------
# ``PairMoments`` are three sums for every pair of columns. Blocks may come in any order and from anywhere: moments are
# added with ``+``, and taken out again with ``-``.

moments, read, held, errors = None, [], [], []
for number in range(1, n_blocks + 1):
    block = next_block()
    part = hs.PairMoments.from_rows(block)
    moments = part if moments is None else moments + part
    read.append(16 * 4 * n_block * number)
    held.append(moments.nbytes + 16 * block.n_entries)
    if number in (1, 2, 3, 5, 10, 20):
        model = hs.OneSidedCompletion(rank=rank, random_state=0).fit_moments(moments)
        errors.append((number * n_block, np.linalg.norm(model.second_moment() - truth) / np.linalg.norm(truth)))
moments.n_rows, round(float(errors[-1][1]), 3)

# %%
# Left, the error falls as one over the root of the number of rows, as it should. Right, bytes of all entries read so
# far, and bytes held at one time: three sums per pair, and the block at hand.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
rows, error = np.array(errors).T
left.loglog(rows, error, "o-", color="#2a6f97", label="second moment")
left.loglog(rows, error[0] * np.sqrt(rows[0] / rows), ":", color="0.4", label="one over the root")
left.set(xlabel="rows read", ylabel="relative error", xticks=rows[[0, 2, 4, 5]])
left.set_xticklabels([f"{count:,.0f}" for count in rows[[0, 2, 4, 5]]])
left.minorticks_off()
left.set_yticks([0.015, 0.03, 0.06], labels=["0.015", "0.03", "0.06"])
left.legend(frameon=False)
right.fill_between(np.arange(1, n_blocks + 1), np.array(read) / 1e6, color="0.88", label="all entries")
right.plot(np.arange(1, n_blocks + 1), np.array(held) / 1e6, color="#e76f51", linewidth=2, label="held at one time")
right.set(xlabel="blocks read", ylabel="megabytes", xlim=(1, n_blocks), ylim=(0, None), xticks=[1, 5, 10, 15, 20])
right.legend(frameon=False, loc="upper left")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Errors of the model need the rows once more, for rows and not pairs are independent. ``inference`` takes blocks too;
# here the last one stands for them, and its intervals are those of one block.

alone = hs.OneSidedCompletion(rank=rank, random_state=0).fit(block)
found = alone.inference(level=0.95).second_moment()
i, j = np.triu_indices(width, k=1)
round(float(np.mean((found.low <= truth[i, j]) & (truth[i, j] <= found.high))), 2)
