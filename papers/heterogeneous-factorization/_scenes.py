"""Films of a static camera with missing pixels: layouts of sources, baselines, and how a background is judged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

import halfseen as hs

PATCH = 7
# A pixel this far (of 255 grey levels) from the background belongs to the foreground.
FAR = 30.0


def film(path: Any, every: int, crop: tuple[int, int] | None = None) -> np.ndarray:
    """Frames (time, height, width) as float64, 0 to 255."""
    with np.load(path) as file:
        frames = file["frames"][::every].astype(float)
    return frames if crop is None else frames[:, : crop[0], : crop[1]]


def hidden(frames: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The film with this share of its pixels missing (NaN), at random."""
    return np.where(np.random.default_rng(seed).random(frames.shape) < share, np.nan, frames)


def with_known_background(frames: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The film's moving pixels before a still picture with the film's noise, and that picture.

    The median over time of a film is no truth that the median of the seen pixels could not be near by its making; here
    the background is known, and the noise of the camera (its spread off the moving pixels) is drawn anew.
    """
    picture = np.median(frames, axis=0)
    residual = frames - picture
    moving = np.abs(residual) > FAR
    noise = 1.4826 * float(np.median(np.abs(residual[~moving])))
    still = picture + noise * np.random.default_rng([seed, 1]).standard_normal(frames.shape)
    return np.where(moving, frames, np.clip(still, 0.0, 255.0)), picture


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB on the scale 0..255."""
    return float(10 * np.log10(255.0**2 / np.mean((found - truth) ** 2)))


def cells(size: int) -> list[slice]:
    """Cuts of PATCH pixels; the last one is what is left."""
    return [slice(start, min(start + PATCH, size)) for start in range(0, size, PATCH)]


def block_sources(seen: np.ndarray) -> dict[str, np.ndarray]:
    """A source per block of the picture: rows are frames, columns the block's pixels."""
    _, height, width = seen.shape
    return {
        f"{rows.start},{cols.start}": seen[:, rows, cols].reshape(len(seen), -1)
        for rows in cells(height)
        for cols in cells(width)
    }


def from_blocks(part: Callable[[str], np.ndarray], shape: tuple[int, int, int]) -> np.ndarray:
    """The film from the blocks' tables."""
    film = np.empty(shape)
    for rows in cells(shape[1]):
        for cols in cells(shape[2]):
            height, width = rows.stop - rows.start, cols.stop - cols.start
            film[:, rows, cols] = part(f"{rows.start},{cols.start}").reshape(-1, height, width)
    return film


def patch_sources(seen: np.ndarray) -> dict[str, np.ndarray]:
    """The paper's layout, a source per frame: rows are patches, columns the pixels of a patch; the rest is cut off."""
    _, height, width = seen.shape
    down, across = height // PATCH, width // PATCH
    cut = seen[:, : down * PATCH, : across * PATCH].reshape(-1, down, PATCH, across, PATCH)
    tables = cut.transpose(0, 1, 3, 2, 4).reshape(len(seen), down * across, PATCH * PATCH)
    return {f"{place:03}": table for place, table in enumerate(tables)}


def from_patches(part: Callable[[str], np.ndarray], shape: tuple[int, int, int]) -> np.ndarray:
    """The film (its edges cut) from the frames' tables of patches."""
    down, across = shape[1] // PATCH, shape[2] // PATCH
    tables = np.array([part(f"{place:03}") for place in range(shape[0])])
    cut = tables.reshape(-1, down, across, PATCH, PATCH).transpose(0, 1, 3, 2, 4)
    return cut.reshape(-1, down * PATCH, across * PATCH)


def interpolated(residual: np.ndarray, mask: np.ndarray, width: float) -> np.ndarray:
    """Residuals at missing pixels from those seen nearby, by a Gaussian mean."""
    value, weight = (
        np.array([gaussian_filter(frame, width) for frame in part])
        for part in (np.where(mask, residual, 0.0), mask.astype(float))
    )
    return value / np.maximum(weight, 1e-6)


def iterated_median(seen: np.ndarray, rounds: int = 5, width: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Median of the frames, missing pixels from it and from the residuals around them, over and over."""
    mask, background = ~np.isnan(seen), np.nanmedian(seen, axis=0)
    for _ in range(rounds):
        residual = np.where(mask, seen - background, 0.0)
        completed = np.where(mask, seen, background + interpolated(residual, mask, width))
        background = np.median(completed, axis=0)
    return background, completed


def foreground_f1(completed: np.ndarray, background: np.ndarray, frames: np.ndarray, truth: np.ndarray) -> float:
    """F1 of the pixels that are FAR from the background, against those of the complete film."""
    real, found = np.abs(frames - truth) > FAR, np.abs(completed - background) > FAR
    return float(2 * np.sum(real & found) / max(np.sum(real) + np.sum(found), 1))


def block_fit(seen: np.ndarray, unique_rank: int, ridge: float, sweeps: int) -> hs.HeterogeneousFactorization:
    """One shared direction over time, some of each block's own."""
    settings = {"max_iter": sweeps, "n_restarts": 0, "random_state": 0}
    model = hs.HeterogeneousFactorization(1, unique_rank, penalty=ridge, centre=False, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number of sweeps is meant
        return model.fit(block_sources(seen))
