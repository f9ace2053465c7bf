"""
What many sources share: a background behind moving things
==========================================================

A static picture, a bright square that jumps about in front of it, 40 % of all pixels lost. Every 6 x 6 block of the
picture is a source: its rows are the frames, its columns the block's pixels. One direction over time is shared by all
blocks; what else happens in a block is its own.
"""

import numpy as np

import halfseen as hs
from halfseen.show import image_grid

rng = np.random.default_rng(0)
height, width, frames, side = 24, 30, 40, 6
rows, cols = np.mgrid[:height, :width]
background = 120 + 50 * np.sin(rows / 4) * np.cos(cols / 5)
film = background + rng.normal(size=(frames, height, width))
for frame in film:
    i, j = rng.integers(0, height - 8), rng.integers(0, width - 8)
    frame[i : i + 8, j : j + 8] = 250.0
seen = np.where(rng.random(film.shape) < 0.4, np.nan, film)

# %%
# Sources are a mapping from name to table; what is missing is NaN.

corners = [(i, j) for i in range(0, height, side) for j in range(0, width, side)]
sources = {f"{i},{j}": seen[:, i : i + side, j : j + side].reshape(frames, -1) for i, j in corners}
model = hs.HeterogeneousFactorization(1, 4, penalty=30.0, centre=False, random_state=0).fit(sources)

# %%
# The fit is one thing, its reading another: in the orthogonal gauge the shared part is a mean over time, with the
# square in it; least absolute deviations over the completed blocks, or their medians, do not see it.


def picture(reading):
    """The shared part of all blocks, put together."""
    whole = np.empty(film.shape)
    for i, j in corners:
        whole[:, i : i + side, j : j + side] = model.shared_part(f"{i},{j}", reading).reshape(frames, side, side)
    return whole


for reading in ("orthogonal", "l1", "median"):
    error = np.sqrt(np.mean((picture(reading) - background) ** 2))
    print(f"{reading:>10}: {error:5.2f} grey levels from the background")

# %%
chosen = [0, 13, 26, 39]
groups = {
    "seen": seen[chosen],
    "shared, orthogonal": picture("orthogonal")[chosen],
    "shared, l1": picture("l1")[chosen],
    "true": np.broadcast_to(background, film.shape)[chosen],
}
image_grid({name: 255 - part.reshape(4, -1) for name, part in groups.items()}, (height, width), (0, 255))
