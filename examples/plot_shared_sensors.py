"""
Four machines on one line: what they share, and what is one's own
=================================================================

Four machines stand on one production line, each with a dozen sensors, read every hour for ten days. Load and heat
of the hall move all of them; a third of the readings is lost. On the seventh day a bearing of one machine starts to
wear, slowly and less than the load moves it. In the readings it cannot be seen; in what is the machine's own it can.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(5)
hours = np.arange(240)
n = len(hours)
load = (np.sin(hours * np.pi / 12) > -0.3) * (1 + 0.3 * np.sin(hours / 3)) + 0.2 * rng.normal(size=n)
heat = np.convolve(rng.normal(size=n), np.ones(20) / 6, mode="same") + np.sin((hours - 4) * np.pi / 12)
common = np.column_stack([(part - part.mean()) / part.std() for part in (load, heat)])
wear = np.clip((hours - 156) / 60, 0, None)
tables = {}
for name in ("press", "oven", "saw", "lathe"):
    own = np.convolve(rng.normal(size=n), np.ones(6) / 6, mode="same")
    own = own / own.std()
    levels, units = rng.uniform(10, 80, 12), rng.lognormal(0, 0.7, 12)
    clean = common @ rng.normal(size=(2, 12)) + 0.5 * own[:, None] * rng.normal(size=12)
    if name == "saw":
        clean += wear[:, None] * 0.8 * rng.normal(size=12)
    readings = levels + units * (clean + 0.5 * rng.normal(size=(n, 12)))
    tables[name] = np.where(rng.random(readings.shape) < 0.67, readings, np.nan)

# %%
# Units and levels differ; they go in as they are. How many factors there are, and which machine each one moves, is
# found.

model = hs.HeterogeneousFactorization(4, 2, random_state=0).fit(tables)
shares = model.variance_explained_.T
{name: share.round(2).tolist() for name, share in zip(model.factor_names_, shares, strict=True)}

# %%
# The picture
# -----------
# Above, a sensor of the saw as it was read: dots, and the fit's line with its 95 % intervals where readings were lost.
# Below, the factors of single machines, in standard deviations, with 95 % intervals. From the seventh
# day on the first of the saw's own drifts away from 0.

inference = model.inference(level=0.95)
scores = inference.rows()
names = [name for name in ("saw 1", "saw 2", "press 1", "oven 1", "lathe 1") if name in model.factor_names_]
figure, axes = plt.subplots(6, 1, figsize=(9, 8), sharex=True, layout="constrained", height_ratios=(2, 1, 1, 1, 1, 1))
readings = tables["saw"][:, 0]
lost = np.flatnonzero(np.isnan(readings))
cells = inference.responses(lost, np.zeros(len(lost), int), source="saw")
axes[0].vlines(hours[lost], cells.low, cells.high, color="#e9a23b", linewidth=1.6, alpha=0.7, label="lost, 95 %")
axes[0].plot(hours, readings, ".", color="0.25", markersize=4, label="read")
axes[0].set_ylabel("a sensor\nof the saw")
axes[0].legend(frameon=False, loc="upper left", ncols=2, fontsize=8)
for ax, name in zip(axes[1:], names, strict=True):
    k = model.factor_names_.index(name)
    sign = np.sign(np.corrcoef(scores.estimate[:, k], wear)[0, 1])
    low, high = sorted((sign * scores.low[:, k], sign * scores.high[:, k]), key=np.sum)
    is_saw = name.startswith("saw")
    ax.fill_between(hours, low, high, color="#e76f51" if is_saw else "#2a6f97", alpha=0.25, linewidth=0)
    ax.plot(hours, sign * scores.estimate[:, k], color="#e76f51" if is_saw else "#2a6f97", linewidth=1.2)
    ax.axhline(0, color="0.7", linewidth=0.6)
    ax.set(ylabel=name, ylim=(-4, 4))
for ax in axes:
    ax.axvline(156, color="0.3", linestyle=":", linewidth=1)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set(xlabel="hour", xlim=(0, 240))
plt.show()

# %%
# What it found against what was put in: the wear and the first factor of the saw.

round(float(abs(np.corrcoef(model.scores_[:, model.factor_names_.index("saw 1")], wear)[0, 1])), 2)
