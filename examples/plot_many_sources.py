"""
A street behind the people who walk through it
==============================================

A camera that never moves, walkers who cross its picture, and a third of all pixels lost. What did the street look like
with nobody in it, and who walked there? Every 8 x 8 block of the picture is a source: its rows are the frames, its
columns the block's pixels. The blocks share one direction over time, the street; what walks through a block is its own.
"""

# %%
# The film
# --------
# Sky, two houses and a road; three walkers of different size and pace, one of them dark.

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(0)
height, width, frames, side = 48, 80, 40, 8
rows, cols = np.mgrid[:height, :width]
street = 205.0 - 1.2 * rows
for left, right, top, grey in ((6, 30, 12, 120), (44, 72, 6, 150)):
    house = (rows >= top) & (rows < 34) & (cols >= left) & (cols < right)
    street[house] = grey
    storey, pane = (rows - top) % 8, (cols - left) % 6
    street[house & (storey >= 3) & (storey < 6) & (pane >= 2) & (cols < right - 1)] = 70
street[34:] = 95 + 8 * np.sin(cols[34:] / 3)
street[40:42, ::2] = 200

film = street + 2.0 * rng.normal(size=(frames, height, width))
for start, pace, foot, tall, grey in ((-6, 2.4, 44, 18, 245), (86, -2.9, 47, 14, 20), (-40, 3.4, 38, 11, 230)):
    for frame, middle in zip(film, start + pace * np.arange(frames), strict=True):
        head = (rows - foot + tall) ** 2 + (cols - middle) ** 2 <= (tall / 7) ** 2
        body = (rows > foot - 0.85 * tall) & (rows <= foot) & (np.abs(cols - middle) <= tall / 8)
        frame[head | body] = grey
seen = np.where(rng.random(film.shape) < 0.35, np.nan, film)

# %%
# The fit
# -------
# Sources are a mapping from name to table; what is missing is NaN.

corners = [(i, j) for i in range(0, height, side) for j in range(0, width, side)]
sources = {f"{i},{j}": seen[:, i : i + side, j : j + side].reshape(frames, -1) for i, j in corners}
model = hs.HeterogeneousFactorization(1, 4, penalty=30.0, centre=False, random_state=0).fit(sources)


def whole(part):
    """One film of the parts of all blocks."""
    out = np.empty(film.shape)
    for i, j in corners:
        out[:, i : i + side, j : j + side] = part(f"{i},{j}").reshape(frames, side, side)
    return out


# %%
# The same fit can be read in several ways. As an orthogonal projection, the shared part is a mean over time, and the
# walkers leave their shadow in it; least absolute deviations over the completed blocks do not see them.

pictures = {reading: whole(lambda name, r=reading: model.shared_part(name, r)) for reading in ("orthogonal", "l1")}
for reading, picture in pictures.items():
    error = np.sqrt(np.mean((picture - street) ** 2))
    print(f"{reading:>10}: {error:5.2f} grey levels from the empty street")

# %%
# The picture
# -----------

chosen = [8, 17, 26]
filled = np.where(np.isnan(seen), whole(lambda name: model.shared_part(name) + model.unique_part(name)), seen)
lines = {
    "seen": seen,
    "street, mean over time": pictures["orthogonal"],
    "street, l1": pictures["l1"],
    "who walked there": np.abs(filled - pictures["l1"]),
}
figure, axes = plt.subplots(len(lines), len(chosen), figsize=(9, 7.6), constrained_layout=True)
for (title, movie), line in zip(lines.items(), axes, strict=True):
    for axis, frame in zip(line, chosen, strict=True):
        if title == "who walked there":
            axis.imshow(movie[frame], cmap="magma", vmin=0, vmax=150)
        else:
            axis.set_facecolor("#f2c79a")
            axis.imshow(movie[frame], cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(title)
for axis, frame in zip(axes[0], chosen, strict=True):
    axis.set_title(f"frame {frame}")
