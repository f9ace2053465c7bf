"""
Which targets should be tried next for a drug?
==============================================

Three hundred drugs, 150 targets, and known links, nothing else: what is not known is mostly "no", but not all of it.
Drugs and targets have fingerprints, so that even a drug without any known link has a list of what to try. A fifth of
the links was hidden, and all links of sixty drugs. (Drugs and targets are made up.)
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(0)
n_drugs, n_targets, width = 300, 150, 20
drugs, targets = rng.normal(size=(n_drugs, width)), rng.normal(size=(n_targets, width))
binding = (drugs @ rng.normal(size=(width, 3))) @ (targets @ rng.normal(size=(width, 3))).T / width
affinity = 2.5 * binding + 0.8 * rng.normal(size=n_targets)
link = rng.random(affinity.shape) < 1 / (1 + np.exp(9.0 - affinity))
is_new = np.arange(n_drugs) >= 240
known = link & (rng.random(link.shape) < 0.8) & ~is_new[:, None]
row, col = np.nonzero(known)
table = hs.Observed.from_triplets(row, col, np.ones(len(row)), shape=known.shape)
table

# %%
# Four ways to rank what is not known
# -----------------------------------
# The one-class model pulls what was not seen towards 0 with a small weight, and never touches these cells one by one.


def alike(features):
    """Similarity of lines: the cosine, where it is positive."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return np.maximum(unit @ unit.T, 0)


fingerprints = {"row_features": drugs, "col_features": targets}
kernels = {"row_kernel": alike(drugs), "col_kernel": alike(targets)}
scores = {
    "popularity": hs.comparisons.Popularity().fit(table).predict_table(),
    "what alike drugs bind": hs.comparisons.NeighbourProfile().fit(table, **kernels).predict_table(),
    "links only": hs.InductiveCompletion(8, family="one_class", random_state=0).fit(table).predict_table(),
    "links and fingerprints": hs.InductiveCompletion(4, "linear", family="one_class", beta=0.05, random_state=0)
    .fit(table, **fingerprints)
    .predict_table(),
}

# %%
# Where the hidden links stand in each drug's list
# ------------------------------------------------
# The known ones are taken out of the lists. The faster a curve rises, the fewer experiments are needed; the dotted line
# is the list by the true affinity, which chance keeps from being perfect. A drug without links is nowhere without its
# fingerprint.

tried = np.arange(1, 41)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
colours = dict(zip(scores, ("#6c757d", "#8ab17d", "#e9a23b", "#2a6f97"), strict=True))
for ax, part, title in zip(axes, (~is_new, is_new), ("drugs with known links", "new drugs"), strict=True):
    hidden = (link & ~known)[part].astype(float)
    ranks = {name: hs.metrics.relevant_ranks(hidden, score[part], known[part]) for name, score in scores.items()}
    best = hs.metrics.relevant_ranks(hidden, affinity[part], known[part])
    for name, rank in ranks.items():
        ax.plot(tried, [np.mean(rank <= r) for r in tried], color=colours[name], linewidth=2, label=name)
    ax.plot(tried, [np.mean(best <= r) for r in tried], ":", color="0.2", label="true affinity")
    ax.set(title=f"{title}: {len(best)} hidden links", xlabel="targets tried per drug", xlim=(1, 40), ylim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("share of hidden links found")
axes[0].legend(frameon=False, loc="lower right", fontsize=8)
plt.show()

# %%
# The list of the new drug with the most links, best first; those that bind are starred.

drug = 240 + int(np.argmax(link[240:].sum(axis=1)))
shown = np.argsort(-scores["links and fingerprints"][drug])[:12]
" ".join(f"{target}{'*' if link[drug, target] else ''}" for target in shown)
