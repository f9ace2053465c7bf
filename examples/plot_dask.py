"""
One fit, four machines
======================

The rows lie on four workers of a Dask cluster, as they do where they were written. Each worker adds up the pairs of its
own rows; three sums per pair travel, no row does. What comes together is the fit to all rows, to the last bit.
"""

# needs: distributed

import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster

import halfseen as hs

width, rank, n_rows, n_parts = 60, 3, 20_000, 8
loadings = np.random.default_rng(0).normal(size=(width, rank)) * [1.5, 1.0, 0.7]


def rows_of(part):
    """What a worker finds at its place: rows with four entries each."""
    rng = np.random.default_rng(part + 1)
    cols = np.argpartition(rng.random((n_rows, width)), 4, axis=1)[:, :4].ravel()
    rows = np.repeat(np.arange(n_rows), 4)
    values = np.einsum("ek,ek->e", rng.normal(size=(n_rows, rank))[rows], loadings[cols])
    return hs.Observed.from_triplets(rows, cols, values + 0.5 * rng.normal(size=len(rows)), shape=(n_rows, width))


def pairs_of(part):
    """The only thing that leaves a worker."""
    return hs.PairMoments.from_rows(rows_of(part))


# %%
# Here the four workers are threads of this process; the address of a real scheduler takes the place of the cluster.

cluster = LocalCluster(n_workers=4, threads_per_worker=1, processes=False, dashboard_address=None)
with cluster, Client(cluster) as client:
    parts = client.gather(client.map(pairs_of, range(n_parts), pure=False))
together = hs.PairMoments.merge(parts)
model = hs.OneSidedCompletion(rank=rank, random_state=0).fit_moments(together)

# %%
# The same without a cluster: the same numbers.

alone = hs.OneSidedCompletion(rank=rank, random_state=0).fit_moments(
    hs.PairMoments.merge(pairs_of(part) for part in range(n_parts))
)
bool(np.array_equal(model.second_moment(), alone.second_moment()))

# %%
# Left, what each part would say by itself of the three strongest directions, and what all say together; dotted the
# truth. Right, what travelled beside what stayed.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=(1.6, 1))
truth = np.sort(np.linalg.eigvalsh(loadings @ loadings.T))[::-1][:rank]
single = [hs.OneSidedCompletion(rank=rank, random_state=0).fit_moments(part) for part in parts]
for place, fit in enumerate([*single, model]):
    largest = np.sort(np.linalg.eigvalsh(fit.second_moment()))[::-1][:rank]
    left.plot([place] * rank, largest / truth, "o", color="#e76f51" if fit is model else "#2a6f97")
left.axhline(1, color="0.4", linestyle=":")
left.set(xticks=range(n_parts + 1), ylabel="eigenvalues over the true ones")
left.set_xticklabels([*(f"part {part}" for part in range(n_parts)), "all"], rotation=45)
stayed, travelled = n_parts * n_rows * 4 * 16 / 1e6, sum(part.nbytes for part in parts) / 1e6
right.bar(["rows, stayed", "sums, travelled"], [stayed, travelled], color=["0.8", "#e76f51"], width=0.6)
right.set_ylabel("megabytes")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
