"""
An index of the market, from eight sectors
==========================================

Eight sectors of twelve stocks each, two years of daily returns; young stocks have no past. The market moves all
sectors, each sector moves its own. What the sectors share is an index that nobody had to weigh; how far a sector goes
its own way, month by month, shows the crisis of one of them. (Returns are simulated.)
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(7)
days, width = 504, 12
names = ("banks", "oil", "food", "chips", "cars", "drugs", "power", "retail")
shock = 1 + 1.5 * np.exp(-(((np.arange(days) - 320) / 25) ** 2))
market = 0.7 * shock * rng.standard_t(5, size=days)
returns = {}
for name in names:
    size = 0.6 + (2.5 * np.exp(-(((np.arange(days) - 180) / 30) ** 2)) if name == "oil" else 0)
    sector = size * rng.normal(size=days)
    stocks = np.outer(market, rng.uniform(0.6, 1.4, width)) + np.outer(sector, rng.uniform(0.7, 1.3, width))
    stocks += 0.9 * rng.normal(size=stocks.shape)
    first = np.where(rng.random(width) < 0.4, rng.integers(0, 350, width), 0)
    returns[name] = np.where(np.arange(days)[:, None] >= first, stocks, np.nan)

# %%
# One shared factor and one of each sector
# ----------------------------------------
# A sector that is loud for its own reasons weighs less; so does a noisy stock. The mean of all returns knows neither. A
# return of 0 means something, so nothing is centred.

model = hs.HeterogeneousFactorization(1, 1, centre=False, random_state=0).fit(returns)
inference = model.inference(level=0.95)
index = inference.rows()
sign = np.sign(np.corrcoef(index.estimate[:, 0], market)[0, 1])
mean = np.nanmean(np.concatenate(list(returns.values()), axis=1), axis=1)


def likeness(series):
    return round(float(np.corrcoef(series, market)[0, 1]), 3)


{"shared factor": likeness(sign * index.estimate[:, 0]), "mean of all returns": likeness(mean)}

# %%
# Above, the index against the market that moved the returns, cumulated. Below, how strongly each sector moved on its
# own, by months of 21 days: oil has a crisis that the index does not show, and the market's own shock is nobody's.

figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5.6), layout="constrained", height_ratios=(1.3, 1))
scale = market.std() / index.estimate[:, 0].std()
above.plot(np.cumsum(market), color="#e76f51", linewidth=2.4, alpha=0.6, label="what moved the market")
above.plot(np.cumsum(sign * scale * index.estimate[:, 0]), color="#2a6f97", linewidth=1.2, label="shared factor")
rescaled = mean * market.std() / mean.std()
above.plot(np.cumsum(rescaled), color="0.5", linewidth=1, linestyle=":", label="mean of all returns")
above.set(xlabel="day", ylabel="index, cumulated", xlim=(0, days))
above.legend(frameon=False)
above.spines[["top", "right"]].set_visible(False)
own = np.stack(
    [
        np.linalg.norm(model.loadings_[name][:, model.factor_names_.index(f"{name} 1")]) / np.sqrt(width)
        * np.abs(model.scores_[:, model.factor_names_.index(f"{name} 1")])
        for name in names
    ]
)  # fmt: skip
months = np.sqrt(np.mean(own.reshape(len(names), -1, 21) ** 2, axis=2))
image = below.imshow(months, aspect="auto", cmap="Oranges", extent=(0, days, len(names) - 0.5, -0.5))
below.set(yticks=range(len(names)), xlabel="day")
below.set_yticklabels(names)
figure.colorbar(image, ax=below, label="own return, %")
plt.show()
