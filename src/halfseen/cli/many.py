"""Fits of many sources over the same rows: factors shared and unique, or autoencoders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.job import Job, quietly
from halfseen.cli.options import PlainOption, SourceOption
from halfseen.cli.pictures import picture_size
from halfseen.cli.screen import Steps, count
from halfseen.cli.source import read_sources
from halfseen.data import Observed, Sources, check_support
from halfseen.losses import get_loss
from halfseen.metrics import mae, rmse
from halfseen.summary.sources import kinds

# JIVE fills whole tables and decomposes them in every sweep.
DENSE_RIVAL_CELLS = 2_000_000
RIVAL_RANK = 16
# Sources with a picture of their loadings.
DRAWN = 6


class SourcesJob(Job):
    """A fit of many sources."""

    size: tuple[int, int] | None

    def open(self) -> None:
        asked = self.asked
        if self.is_network:
            from halfseen.nets import load_torch

            load_torch("fit autoencoder")
        self.whole = read_sources(asked.data, asked.part(SourceOption).source, asked.table, self.is_network)
        self.size = picture_size(asked.output.image, "", self.whole.n_rows, "rows")
        family = asked.settings.get("family")
        if family is not None:
            for source in self.whole.values():
                check_support(source, get_loss(family), "family")
        self.make({name: values[0] for name, values in self.several().items()})._checked()

    @property
    def is_network(self) -> bool:
        """Whether autoencoders are fitted."""
        return self.asked.method.name == "autoencoder"

    @property
    def is_plain(self) -> bool:
        """Whether one network takes all columns."""
        return self.is_network and (self.asked.part(PlainOption).plain or len(self.whole) == 1)

    def make(self, chosen: dict[str, Any]) -> Any:
        if not self.is_network:
            return super().make(chosen)
        return self.network(chosen, self.is_plain)

    def network(self, chosen: dict[str, Any], is_plain: bool) -> Any:
        """An autoencoder with encoders of its own for every source, or one network for all columns."""
        estimator: Any = hs.SparseAutoencoder if is_plain else hs.HeterogeneousAutoencoder
        known = estimator._parameters
        given = {name: values[0] for name, values in self.values.items() if len(values) == 1} | chosen
        given = {name: value for name, value in given.items() if name in known}
        given |= {"random_state": self.asked.judge.seed, "threads": self.asked.output.threads or 1}
        return estimator(**given)

    def several(self) -> dict[str, tuple[Any, ...]]:
        several = super().several()
        if self.whole is not None and self.is_plain:
            several.pop("unique_penalty", None)
        return several

    def split(self, data: Sources, share: float, seed: int) -> tuple[Sources, Sources]:
        seen, hidden = data.split(share, random_state=seed)
        return seen, hidden

    def choose(self, seen: Sources, bar: Steps) -> dict[str, Any]:
        grid = self.several()
        if self.is_network or not grid or "auto" in [value for values in grid.values() for value in values]:
            return super().choose(seen, bar)
        names = ("shared_rank", "unique_rank", "penalty")
        model = self.make({name: values[0] for name, values in grid.items()})
        if any(self.values.get(name, ("auto",)) == ("auto",) for name in names[:2]):
            return super().choose(seen, bar)
        tried = [grid.get(name, self.values.get(name, (getattr(model, name),))) for name in names]
        bar.begin("ranks and penalty")
        with quietly():
            choice = hs.select.choose_source_ranks(
                model, seen, tried[0], tried[1], tried[2], random_state=self.asked.judge.seed
            )
        bar.end()
        ordered = dict(zip(names, tried, strict=True))
        losses = np.asarray(choice.losses, dtype=float)
        self.choice = {"tried": choice.tried, "losses": losses, "names": {n: list(v) for n, v in ordered.items()}}
        return {name: value for name, value in choice.parameters.items() if name in names}

    def settle(self, model: Any) -> None:
        if hasattr(model, "posterior_"):  # its ranks are upper bounds, and find themselves again
            return
        for name in ("shared_rank", "unique_rank"):
            if name in model.get_params() and getattr(model, name) == "auto" and hasattr(model, f"{name}_"):
                self.chosen[name] = getattr(model, f"{name}_")
        search = getattr(model, "rank_search_", None)
        if search is not None and self.choice is None:
            self.choice = {"tried": search.tried, "losses": search.losses}

    def named(self, model: Any) -> str:
        if self.is_network:
            own = f", own {model.unique_penalty:g}" if hasattr(model, "unique_penalty") else ""
            kind = "heterogeneous autoencoder" if own else "sparse autoencoder"
            return f"{kind}, width {model.width}, penalty {model.penalty:g}{own}"
        penalty = f", penalty {model.penalty:g}" if model.penalty and not hasattr(model, "posterior_") else ""
        return f"heterogeneous, {kinds(model)}{penalty}"

    def score(self, model: Any, hidden: Sources) -> tuple[np.ndarray | None, dict[str, float]]:
        if hasattr(model, "predict_entries"):
            parts = [
                np.asarray(model.predict_entries(name, *places(table, table)), float) for name, table in hidden.items()
            ]
            predicted, truth = np.concatenate(parts), values_of(hidden)
        else:  # a rival that was fitted to all columns side by side
            pooled, test = self.seen.pooled(), aligned(self.seen, hidden)
            predicted, truth = np.asarray(model.predict(*places(pooled, test)), dtype=float), test.values
        return predicted, {"rmse": rmse(truth, predicted), "mae": mae(truth, predicted)}

    def truth(self) -> np.ndarray:
        return values_of(self.hidden)

    def fit_one(self, model: Any, data: Any) -> None:
        is_pooled = not hasattr(model, "predict_entries")
        model.fit(data.pooled() if is_pooled else data, **self.keeping(model))

    def rivals(self, seen: Sources) -> list[tuple[str, Any]]:
        """One network for all, JIVE where tables are small, one table of all columns, columns' means."""
        seed, others = self.asked.judge.seed, []
        widest = min(seen.n_rows, sum(p for _, p in seen.shapes.values()))
        rank = min(RIVAL_RANK, widest)
        if self.is_network and not self.is_plain:
            network = self.network({name: value for name, value in self.chosen.items()}, True)
            others.append((self.named(network), network))
        elif not self.is_network:
            unique = max(self.model.unique_rank_.values())
            rank = max(1, min(self.model.shared_rank_ + unique, widest))
            is_small = sum(n * p for n, p in seen.shapes.values()) <= DENSE_RIVAL_CELLS
            if is_small and getattr(getattr(self.model, "loss_", None), "name", "gaussian") == "gaussian":
                jive = hs.JIVE(self.model.shared_rank_, unique, max_iter=100, tol=1e-5)
                others.append(("JIVE, imputing", jive))
        als = hs.AlternatingLeastSquares(rank=rank, random_state=seed)
        return [*others, (f"alternating least squares, pooled, rank {rank}", als), ("column mean", hs.ColumnMean())]

    # ---- what is left behind ---------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        files, sources = self.asked.data, self.whole
        facts: dict[str, Any] = {
            "data": {
                "source": files[0] if len(files) == 1 else files,
                "n_rows": sources.n_rows,
                "n_entries": sources.n_entries,
                "sources": {
                    name: {"n_cols": table.shape[1], "n_entries": table.n_entries} for name, table in sources.items()
                },
            },
            "n_fitted": self.seen.n_entries,
            "n_judged": 0 if self.hidden is None else self.hidden.n_entries,
        }  # fmt: skip
        if self.choice is not None and "tried" in self.choice:
            facts["tried"] = self.choice["tried"]
        return facts

    def details(self) -> dict[str, Any]:
        from halfseen.data.facts import SeenShares

        return {"seen": SeenShares.of(self.whole.pooled()).as_dict(), "image": self.size}

    def draw(self, folder: Path, facts: dict[str, Any]) -> None:
        from halfseen.show import save_figure
        from halfseen.show.fits import plot_trace
        from halfseen.show.sources import (
            part_images,
            plot_embeddings,
            plot_heterogeneity,
            plot_shared_basis,
            plot_shares,
        )

        model = self.model
        save_figure(plot_trace(model.run_), folder / "trace.png")
        if self.is_network:
            save_figure(plot_embeddings(model, random_state=0), folder / "embeddings.png")
            return
        if hasattr(model, "posterior_") and np.any(model.activity_):
            draw_factors(model, folder)
        save_figure(plot_shares(model), folder / "shares.png")
        if model.shared_basis_.shape[1]:
            save_figure(plot_shared_basis(model), folder / "basis.png")
        save_figure(plot_heterogeneity(model), folder / "index.png")
        if self.size is not None:
            save_figure(part_images(model, model.source_names_[0], self.size), folder / "parts.png")

    def show(self, facts: dict[str, Any]) -> Iterator[Any]:
        data = facts["data"]
        n_sources = len(data["sources"])
        n_tried = len((self.choice or {}).get("tried", ()))
        tried = f" (best of {n_tried} on held-out entries)" if n_tried else ""
        yield (
            f"{count(data['n_rows'])} rows, {n_sources} source{'s' * (n_sources > 1)}, {count(data['n_entries'])} "
            f"entries{tried}"
        )


def draw_factors(model: Any, folder: Path) -> None:
    """Variance explained, samples, and loadings of the first sources."""
    from halfseen.show import plot_samples, plot_source_loadings, plot_variance_explained, save_figure

    save_figure(plot_variance_explained(model), folder / "variance.png")
    save_figure(plot_samples(model), folder / "samples.png")
    for place, name in enumerate(model.source_names_[:DRAWN]):
        save_figure(plot_source_loadings(model, name), folder / f"loadings-{place}.png")


def values_of(sources: Sources) -> np.ndarray:
    """The values of all sources, one after the other."""
    return np.concatenate([np.asarray(table.values, dtype=float) for table in sources.values()])


def aligned(seen: Sources, hidden: Sources) -> Observed:
    """The held-out entries as one table with the columns of ``seen.pooled()``."""
    rows, cols, values, start = [], [], [], 0
    for name, observed in seen.items():
        if name in hidden.names:
            rows.append(hidden[name].rows)
            cols.append(hidden[name].cols + start)
            values.append(hidden[name].values)
        start += observed.shape[1]
    shape = (seen.n_rows, start)
    return Observed.from_triplets(np.concatenate(rows), np.concatenate(cols), np.concatenate(values), shape=shape)


def places(named: Observed, entries: Observed) -> tuple[Any, Any]:
    """Rows and columns of entries, by the labels of a table that has them."""
    rows, cols = named.row_labels, named.col_labels
    return (
        entries.rows if rows is None else rows[entries.rows],
        entries.cols if cols is None else cols[entries.cols],
    )
