"""Fits of a prepared table: its entries stay in the blocks of its folder, and are held out where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.job import Job
from halfseen.cli.options import BlockOptions
from halfseen.cli.scores import judge_model
from halfseen.cli.screen import count, share
from halfseen.cli.source import refuse_reading
from halfseen.data import Observed, PreparedTable
from halfseen.losses import get_loss

# More held-out entries than that say nothing more, and they are judged in memory.
MOST_JUDGED = 1_000_000


class StoredJob(Job):
    """A fit of a prepared table."""

    loss: Any

    def open(self) -> None:
        asked = self.asked
        refuse_reading(asked.table)
        if asked.is_scaled:
            raise ValueError("--scale columns needs the table in memory; leave it out for a prepared table")
        self.whole = hs.read_table(asked.data[0], memory=asked.part(BlockOptions).memory)
        self.loss = get_loss(self.values.get("family", ("gaussian",))[0])
        if several := [name for name, values in self.several().items() if len(values) > 1]:
            raise ValueError(
                f"--{several[0]} with several values needs the table in memory; give one for a prepared one"
            )
        self.make({})._checked()

    @property
    def share(self) -> float:
        """As asked, but no more entries than can be judged in memory."""
        return min(super().share, MOST_JUDGED / self.whole.n_entries)

    def split(self, data: PreparedTable, share: float, seed: int) -> tuple[PreparedTable, Observed]:
        train, test = data.split(share, seed)
        kept = test.load()
        return train, kept.take_rows(np.flatnonzero(kept.by_rows.counts))

    def score(self, model: Any, hidden: Observed) -> tuple[np.ndarray | None, dict[str, float]]:
        return judge_model(model, hidden, self.loss)

    def rivals(self, seen: PreparedTable) -> list[tuple[str, Any]]:
        return [("row and column means", hs.BiasModel())]

    def facts(self) -> dict[str, Any]:
        (n, p), whole = self.whole.shape, self.whole
        data = {
            "source": self.asked.data[0], "n_rows": n, "n_cols": p, "n_entries": whole.n_entries,
            "density": whole.n_entries / max(n * p, 1), "values": [whole.facts.sums["low"], whole.facts.sums["high"]],
            "n_blocks": whole.n_blocks, "memory": whole.memory,
        }  # fmt: skip
        judged = 0 if self.hidden is None else self.hidden.n_entries
        return {"data": data, "n_fitted": self.seen.n_entries, "n_judged": judged, "rank": self.model.rank_}

    def details(self) -> dict[str, Any]:
        from halfseen.show.fits import held_out_bins

        return {} if self.judged is None or not len(self.judged[0]) else {"held_out": held_out_bins(*self.judged)}

    def draw(self, folder: Path, facts: dict[str, Any]) -> None:
        from halfseen.show import save_figure
        from halfseen.show.fits import plot_fit

        save_figure(plot_fit(None, facts["rank"], self.judged, self.model.run_), folder / "fit.png")

    def show(self, facts: dict[str, Any]) -> Iterator[Any]:
        data = facts["data"]
        yield (
            f"{data['source']}: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
            f"{count(data['n_entries'])} entries ({share(data['density'])} of the cells) in {data['n_blocks']} blocks"
        )
