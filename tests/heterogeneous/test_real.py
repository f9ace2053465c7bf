"""The targets on real data, through the scripts that reproduce the paper's case studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import halfseen as hs

PAPER = Path(__file__).parents[2] / "papers" / "heterogeneous-factorization"
pytestmark = [pytest.mark.slow, pytest.mark.data]


def path_of(name):
    path = hs.datasets.data_home() / hs.datasets.file_of(name)
    if not path.is_file():
        pytest.skip(f"{name} is not in the data folder; set HALFSEEN_DATA")
    return path


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(PAPER)


@pytest.mark.parametrize(("name", "every", "least"), [("hall", 2, 43.0), ("shoppingmall", 1, 47.0)])
def test_the_background_of_a_film_is_seen_through_people_and_missing_pixels(name, every, least):
    import video

    rows = video.blocks(0, name, every, str(path_of(name)), 15)
    psnr = {row["method"]: row["background_psnr"] for row in rows}
    assert psnr["HMF, blocks, l1"] >= least
    assert psnr["HMF, blocks, l1"] >= psnr["median of the seen pixels"] + 4
    assert psnr["HMF, blocks, l1"] >= psnr["median and interpolated residuals, 5 times"] + 0.5
    assert {row["method"]: row["foreground_f1"] for row in rows}["HMF, blocks, l1"] >= 0.89


def test_unusual_days_of_stock_returns_fall_into_the_crises():
    import stocks

    dates, tables = stocks.kinds(path_of("stocks"), 19900101)
    index = stocks.index_of(tables["log returns"], {"window": 30, "rank": 10, "sweeps": 15})
    days = dates[: len(index)]
    inside = (days >= 19980101) & (days < 20140101)
    top = days[inside][index[inside] >= np.quantile(index[inside], 0.9)] // 10000
    assert np.mean([any(a <= year < b for a, b in stocks.CRISES) for year in top]) >= 0.75


def test_genres_do_not_cost_accuracy_on_movielens():
    import movielens

    config = movielens.CONFIG["full"]
    more = {name: config[name] for name in ("pooled", "own", "sweeps")}
    rows = [movielens.split(seed, str(path_of("ml-100k")), **more) for seed in range(3)]
    gaps = np.array([row["HMF"] - row["pooled"] for row in rows])
    assert np.mean([row["pooled"] for row in rows]) <= 0.92
    assert gaps.mean() <= 0.002  # two standard errors of three paired splits
