"""
A sensor that was silent
========================

Eight sensors, an hour between readings, a fifth of the readings lost. One sensor was silent for thirty hours. What the
others saw in that time says what it would have read, and how sure of that one can be.
"""

# %%
# The panel
# ---------
# Units and levels differ. What the sensors have in common is three movements: two of the day, and one that wanders.

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(1)
hours = np.arange(24 * 14)
common = np.column_stack([np.sin(hours * np.pi / 12), np.cos(hours * np.pi / 12), np.cumsum(rng.normal(size=336)) / 8])
level = np.array([12.0, 14, 15, 13, 16, 11, 60, 1013])
unit = np.array([2.0, 3, 4, 3, 5, 0.8, 9, 6])
truth = level + unit * (common @ rng.normal(size=(3, 8)) + 0.2 * rng.normal(size=(336, 8)))
seen = rng.random(truth.shape) < 0.8
seen[100:130, 2] = False
table = np.where(seen, truth, np.nan)

# %%
# Fit and fill
# ------------
# Columns are brought to one scale, for their units are their own.

mean, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
model = hs.BayesianFactorization(random_state=0).fit((table - mean) / spread)
lost = np.flatnonzero(~seen[:, 2])
readings = model.inference(level=0.9).responses(lost, np.full(len(lost), 2))
low, centre, high = (part * spread[2] + mean[2] for part in (readings.low, readings.estimate, readings.high))
inside = np.mean((low <= truth[lost, 2]) & (truth[lost, 2] <= high))
print(f"{inside:.0%} of {len(lost)} lost readings lie in their 90 % intervals")

# %%
# The picture
# -----------
# Dots are what was seen; bars are 90 % intervals of what was not; crosses are the lost readings.

figure, axis = plt.subplots(figsize=(9, 3.2), constrained_layout=True)
shown = slice(70, 160)
axis.axvspan(99.5, 129.5, color="0.93", zorder=0)
here = np.flatnonzero(seen[:, 2])
here = here[(here >= shown.start) & (here < shown.stop)]
axis.plot(here, truth[here, 2], ".", color="0.25", label="seen")
part = (lost >= shown.start) & (lost < shown.stop)
axis.vlines(lost[part], low[part], high[part], color="#d98a3d", linewidth=2.5, alpha=0.7, label="90 % interval")
axis.plot(lost[part], centre[part], "_", color="#8a4b10", markersize=6, label="filled in")
axis.plot(lost[part], truth[lost[part], 2], "x", color="#1f6f8b", markersize=5, label="what was lost")
axis.set(xlabel="hour", ylabel="south, degrees", xlim=(shown.start - 1, shown.stop))
axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False)
axis.spines[["top", "right"]].set_visible(False)
