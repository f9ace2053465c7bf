"""Default and plain Bayesian factorisation on tables from elsewhere: never worse than the plain one.

    HALFSEEN_DATA=/path/to/data python examples/results/foreign_tables.py    # runs what the table lacks

Files are looked for in the folder ``foreign`` of the data folder, and left out where they are not: ``gapminder.csv``
(the package of that name), ``airquality.csv`` (R), ``gdp.csv`` (World Bank, as in github.com/datasets/gdp) and
``ratings.csv`` (MovieLens, ml-latest-small). Populations and products are taken by their logarithm, columns of unlike
units divided by their spreads. "models and tasks" is simulated, of the kind of a leaderboard of embeddings: a general
ability, two kinds of tasks, a fifth of the cells never run. Held-out errors (a tenth, five splits) in units of the
values' standard deviation.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.datasets.catalogue import data_home

OUT = Path(__file__).with_suffix(".csv")
COLUMNS = ("data", "split", "plain", "default", "ratio", "coverage", "cpu_seconds", "implicit")
PLAIN = {"implicit": "none", "noise": "equal", "rank": 16}


def lines(name: str) -> list[dict[str, str]]:
    """A file of the folder, by the names of its columns."""
    with (data_home() / "foreign" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def standardised(table: np.ndarray) -> hs.Observed:
    """Columns in units of their own spread."""
    spread = np.nanstd(table, axis=0)
    return hs.Observed.from_dense((table - np.nanmean(table, axis=0)) / np.where(spread > 0, spread, 1.0))


def gapminder() -> hs.Observed:
    """Countries x (life expectancy, population, product) in twelve years."""
    found = lines("gapminder.csv")
    countries, years = (sorted({line[name] for line in found}) for name in ("country", "year"))
    table = np.full((len(countries), 3 * len(years)), np.nan)
    for line in found:
        at = countries.index(line["country"]), 3 * years.index(line["year"])
        table[at[0], at[1] : at[1] + 3] = (
            float(line["lifeExp"]), np.log(float(line["pop"])), np.log(float(line["gdpPercap"]))
        )  # fmt: skip
    return standardised(table)


def airquality() -> hs.Observed:
    """Days x ozone, radiation, wind and temperature."""
    names = ("Ozone", "Solar.R", "Wind", "Temp")
    rows = [[np.nan if line[name] == "NA" else float(line[name]) for name in names] for line in lines("airquality.csv")]
    return standardised(np.array(rows))


def world_bank() -> hs.Observed:
    """Countries x years, logarithms of the product."""
    found = lines("gdp.csv")
    places = [line["Country Code"] for line in found], [line["Year"] for line in found]
    return hs.Observed.from_triplets(*places, np.log([float(line["Value"]) for line in found]))


def small_movielens() -> hs.Observed:
    """People x films, half stars."""
    found = lines("ratings.csv")
    places = [line["userId"] for line in found], [line["movieId"] for line in found]
    return hs.Observed.from_triplets(*places, [float(line["rating"]) for line in found])


def leaderboard() -> hs.Observed:
    """Models x tasks, scores in percent."""
    rng = np.random.default_rng(0)
    ability, kind = rng.normal(size=(90, 3)) * [8, 4, 3], rng.normal(size=(56, 2))
    scores = 60 + 8 * rng.normal(size=56) + ability[:, :1] + ability[:, 1:] @ kind.T + 2 * rng.normal(size=(90, 56))
    scores[rng.random(scores.shape) < 0.2] = np.nan
    return hs.Observed.from_dense(scores)


TABLES: dict[str, Callable[[], hs.Observed]] = {
    "gapminder": gapminder,
    "air quality": airquality,
    "World Bank": world_bank,
    "ml-latest-small": small_movielens,
    "models and tasks, simulated": leaderboard,
}


def main() -> None:
    """All tables and splits; a line is written as soon as it is known."""
    done = set()
    if OUT.exists():
        with OUT.open(newline="") as file:
            found = csv.DictReader(line for line in file if not line.startswith("#"))
            done = {(row["data"], row["split"]) for row in found}
    else:
        with OUT.open("w", newline="") as file:
            file.write("# python examples/results/foreign_tables.py (one thread; HALFSEEN_DATA: the data folder)\n")
            csv.writer(file).writerow(COLUMNS)
    for name, make in TABLES.items():
        try:
            table = make()
        except FileNotFoundError as error:
            print(f"{name}: left out ({error})", flush=True)
            continue
        for split in range(5):
            if (name, str(split)) not in done:
                row = judged(name, table, split)
                with OUT.open("a", newline="") as file:
                    csv.writer(file).writerow(row)
                print(*row, flush=True)


def places(table: hs.Observed) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries, by label where there are labels."""
    names = table.row_labels, table.col_labels
    return tuple(at if own is None else own[at] for at, own in zip((table.rows, table.cols), names, strict=True))


def judged(name: str, table: hs.Observed, split: int) -> tuple[object, ...]:
    """Errors of both models on a tenth that was held out."""
    train, test = table.split(0.1, random_state=split)
    begun, errors = time.process_time(), []
    for changes in (PLAIN, {}):
        model = hs.BayesianFactorization(random_state=split, **changes).fit(train)
        said = model.inference(0.95).responses(*places(test))
        errors.append(hs.metrics.rmse(test.values, said.estimate) / np.std(table.values))
    covered = hs.metrics.coverage(said.low, said.high, test.values)
    numbers = [f"{number:.5f}" for number in (*errors, errors[1] / errors[0])]
    return name, split, *numbers, f"{covered:.4f}", f"{time.process_time() - begun:.2f}", model.implicit_


if __name__ == "__main__":
    main()
