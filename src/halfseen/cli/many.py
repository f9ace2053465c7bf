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
from halfseen.cli.screen import Steps, count, share, table
from halfseen.cli.source import read_sources
from halfseen.data import Observed, Sources, check_support
from halfseen.losses import get_loss
from halfseen.metrics import mae, rmse

# JIVE fills whole tables and decomposes them in every sweep.
DENSE_RIVAL_CELLS = 2_000_000
RIVAL_RANK = 16
SHOWN = 12
# Sources with a column of their own, and with a picture of their loadings; columns named per factor.
MOST_COLUMNS, DRAWN, NAMED = 6, 6, 3


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
        if hasattr(model, "posterior_"):
            return f"heterogeneous, {kinds_of_factors(model)}"
        unique = sorted(set(model.unique_rank_.values()))
        text = str(unique[0]) if len(unique) == 1 else f"{unique[0]} to {unique[-1]}"
        name = f"heterogeneous, shared {model.shared_rank_} + unique {text}"
        return name + (f", penalty {model.penalty:g}" if model.penalty else "")

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
        files, model, sources = self.asked.data, self.model, self.whole
        facts: dict[str, Any] = {
            "data": {
                "source": files[0] if len(files) == 1 else files,
                "n_rows": sources.n_rows,
                "n_entries": sources.n_entries,
                "sources": {
                    name: {"n_cols": table.shape[1], "n_entries": table.n_entries} for name, table in sources.items()
                },
            },
            "n_judged": 0 if self.hidden is None else self.hidden.n_entries,
        }  # fmt: skip
        if self.choice is not None and "tried" in self.choice:
            facts["tried"] = self.choice["tried"]
        if not self.is_network:
            for name in ("shared_rank", "unique_rank", "misalignment", "shares", "restarted"):
                if hasattr(model, f"{name}_"):
                    facts[name] = getattr(model, f"{name}_")
            facts["penalty"] = model.penalty
            if hasattr(model, "posterior_"):
                for name in ("factor_names", "activity", "variance_explained"):
                    facts[name] = getattr(model, f"{name}_")
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
        data, config = facts["data"], facts["config"]
        n_sources = len(data["sources"])
        n_tried = len((self.choice or {}).get("tried", ()))
        tried = f" (best of {n_tried} on held-out entries)" if n_tried else ""
        if self.is_network:
            what = f"{facts['class']}, width {config['width']}, penalty {config['penalty']:g}"
            what += f", own {config['unique_penalty']:g}" if "unique_penalty" in config else ""
        elif hasattr(self.model, "posterior_"):
            what = f"factors: {kinds_of_factors(self.model)}"
        else:
            unique = sorted(set(facts["unique_rank"].values()))
            text = str(unique[0]) if len(unique) == 1 else f"{unique[0]} to {unique[-1]}"
            what = f"shared rank {facts['shared_rank']}, unique rank {text}"
            what += f", penalty {facts['penalty']:g}" if facts["penalty"] else ""
        yield (
            f"{count(data['n_rows'])} rows, {n_sources} source{'s' * (n_sources > 1)}, {count(data['n_entries'])} "
            f"entries; {what}{tried}"
        )

    def after(self, facts: dict[str, Any]) -> Iterator[Any]:
        if self.is_network:
            yield f"{facts['run']['n_iter']} sweeps ({facts['run']['reason']})"
            return
        yield ""
        shown = table("source", "columns", "entries", "shared", "unique", "neither")
        names = sorted(facts["shares"], key=lambda name: -facts["shares"][name]["unique"])
        for name in names[:SHOWN]:
            parts, own = facts["shares"][name], facts["data"]["sources"][name]
            numbers = (share(max(parts[key], 0.0)) for key in ("shared", "unique", "residual"))
            shown.add_row(name, count(own["n_cols"]), count(own["n_entries"]), *numbers)
        yield shown
        yield from factor_lines(self.model)
        if len(names) > SHOWN:
            yield f"... and {len(names) - SHOWN} sources with less of their own"
        if facts.get("misalignment") is not None:
            yield f"misalignment of the unique bases: {facts['misalignment']:.3f}"


def kinds_of_factors(model: Any) -> str:
    """How many factors all, some and single sources take part in; faint ones are not counted."""
    size = np.asarray(model.activity_).sum(axis=1)
    n_sources = len(model.source_names_)
    counts = {
        "shared": int(np.sum(size == n_sources)),
        "partly shared": int(np.sum((size > 1) & (size < n_sources))),
        "of one source": int(np.sum((size == 1) & (n_sources > 1))),
    }
    return " + ".join(f"{number} {word}" for word, number in counts.items() if number or word == "shared")


def draw_factors(model: Any, folder: Path) -> None:
    """Variance explained, samples, and loadings of the first sources."""
    from halfseen.show import plot_samples, plot_source_loadings, plot_variance_explained, save_figure

    save_figure(plot_variance_explained(model), folder / "variance.png")
    save_figure(plot_samples(model), folder / "samples.png")
    for place, name in enumerate(model.source_names_[:DRAWN]):
        save_figure(plot_source_loadings(model, name), folder / f"loadings-{place}.png")


def factor_lines(model: Any) -> Iterator[Any]:
    """How much of each source every factor explains: a table for few sources; the names of the factors for many."""
    if not hasattr(model, "posterior_") or not np.any(model.activity_):
        return
    from halfseen.show.source_factors import clear_factors

    names, clear = model.source_names_, clear_factors(model)
    faint = len(model.factor_names_) - len(clear)
    yield ""
    if len(names) > MOST_COLUMNS:
        yield f"factors: {', '.join(model.factor_names_[k] for k in clear[:SHOWN])}"
        return
    shown = table("factor", *(f"of {name}" for name in names), "columns that stand out", left=1)
    for k in clear:
        parts = zip(model.variance_explained_[:, k], model.activity_[k], strict=True)
        shares = [share(float(value)) if is_in else "-" for value, is_in in parts]
        shown.add_row(model.factor_names_[k], *shares, standing_out(model, k))
    yield shown
    if faint:
        yield f"{faint} further factors explain at most 1 % of any source"


def standing_out(model: Any, k: int) -> str:
    """The columns that load most on a factor, over all sources."""
    from halfseen.show.source_factors import sized_loadings

    found = []
    for name in model.source_names_:
        sizes, factors = sized_loadings(model, name)
        labels = model.col_labels_[name]
        for place in np.flatnonzero(factors == k):
            for j in np.argsort(-np.abs(sizes[:, place]), kind="stable")[:NAMED]:
                found.append((float(abs(sizes[j, place])), str(j if labels is None else labels[j])))
    return ", ".join(label for _, label in sorted(found, key=lambda pair: -pair[0])[:NAMED]) or "-"


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
