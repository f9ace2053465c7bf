"""
Choose the rank on held-out entries
===================================

More factors always fit the seen entries better. Entries that were kept back say when to stop.
"""

import warnings

import halfseen as hs
from halfseen.show import plot_rank_choice, plot_trace

data = hs.datasets.make_factor_data(200, 120, rank=3, family="poisson", observed=0.4, random_state=0)
data.observed

# %%
# Three random tenths of the entries are held out, the same for every rank. Fits of too few factors say that their
# counts spread too far for a Poisson variance, which is what the missing factors do; here they may be silent.

warnings.simplefilter("ignore", UserWarning)
model = hs.GeneralizedFactorModel(family="poisson", penalty="map", random_state=0)
choice = hs.select.choose_rank(model, data.observed, ranks=[0, 1, 2, 3, 4, 6], random_state=0)
choice.rank

# %%

figure = plot_rank_choice(choice.ranks, choice.losses, choice.rank, label="held-out deviance")

# %%
# The fit of the chosen rank, sweep by sweep:

figure_2 = plot_trace(choice.model.fit(data.observed).run_)
