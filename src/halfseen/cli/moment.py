"""Fits of rows with a handful of entries each: block by block, pairs added up, rank, fit, errors."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.job import Job
from halfseen.cli.options import BlockedRowsOptions, BlockOptions, TableOptions
from halfseen.cli.screen import Steps, count, steps
from halfseen.cli.source import refuse_reading
from halfseen.data import PreparedTable
from halfseen.data.prepared import is_prepared

HELD_OUT = 0.2


class RowsJob(Job):
    """A fit of second moments, rows going through in blocks."""

    inference: Any = None

    def open(self) -> None:
        given, ranks = self.asked.part(BlockedRowsOptions), self.values["rank"]
        if self.asked.output.image is not None:
            raise ValueError("--image has no meaning here: rows are not completed; leave it out")
        if not 0 < given.level < 1:
            raise ValueError(f"--level {given.level:g} must lie between 0 and 1, such as 0.95")
        if any(rank == 0 for rank in ranks):
            raise ValueError("--rank 0: ranks must be 1 or more")
        if len(ranks) > 1:
            self.values |= {"rank": ("auto",), "ranks": (ranks,)}
        data = self.asked.data[0]
        if is_prepared(data):
            refuse_reading(self.asked.table)
            self.whole = hs.read_table(data, memory=self.asked.part(BlockOptions).memory)
        else:
            self.whole = open_blocks(data, self.asked.table)
        self.make({})._checked()

    def make(self, chosen: dict[str, Any]) -> Any:
        return super().make({**chosen, "random_state": self.asked.part(BlockedRowsOptions).seed})

    def run(self) -> None:
        """Pairs of all rows (to choose a rank, those of a fifth of the rows apart), the fit, and its errors."""
        given = self.asked.part(BlockedRowsOptions)
        self.model = self.make({})
        with steps(2 + given.errors) as bar:
            with warnings.catch_warnings():
                # the same is among the notes
                warnings.filterwarnings("ignore", "rows have .* entries on average", UserWarning)
                self.fit_pairs(bar)
            if given.errors:
                bar.begin("row-clustered errors")
                clock = time.perf_counter()
                self.inference = self.model.inference(given.level, R=self.whole, random_state=given.seed)
                self.seconds["errors"] = time.perf_counter() - clock
                self.intervals = errors_of(self.inference, given.level)
                bar.end()
        search = self.model.rank_search_
        self.choice = None if search is None else {"ranks": search.ranks, "losses": search.losses}

    def fit_pairs(self, bar: Steps) -> None:
        """The pairs of a prepared table are added up where its blocks are; others here."""
        clock = time.perf_counter()
        if isinstance(self.whole, PreparedTable):
            bar.begin("adding up pairs, and fitting them")
            self.model.fit(self.whole)
        else:
            is_auto = self.values["rank"] == ("auto",)
            train, held_out = add_up(self.whole, self.asked.part(BlockedRowsOptions).seed if is_auto else None, bar)
            self.seconds["pairs"] = time.perf_counter() - clock
            clock = time.perf_counter()
            bar.begin("fitting the pairs")
            self.model.fit_moments(train, held_out)
        self.seconds["fit"] = time.perf_counter() - clock
        bar.end()

    def split(self, data: Any, share: float, seed: int) -> tuple[Any, Any]:
        raise NotImplementedError("rows that go through in blocks are not held out")

    def score(self, model: Any, hidden: Any) -> tuple[np.ndarray | None, dict[str, float]]:
        raise NotImplementedError("rows that go through in blocks are not held out")

    def rivals(self, seen: Any) -> list[tuple[str, Any]]:
        return []

    def facts(self) -> dict[str, Any]:
        moments = self.model.moments_
        return {
            "data": {
                "source": self.asked.data[0],
                "n_rows": moments.n_rows,
                "n_cols": moments.n_cols,
                "n_entries": moments.n_entries,
                "density": moments.n_entries / max(moments.n_rows * moments.n_cols, 1),
            },
            "rank": self.model.rank_,
        }

    def details(self) -> dict[str, Any]:
        """Widths of intervals, which need the rows."""
        from halfseen.show.moments import Widths

        return {} if self.inference is None else {"widths": asdict(Widths.of(self.model, self.inference))}

    def draw(self, folder: Path, facts: dict[str, Any]) -> None:
        from halfseen.show import save_figure
        from halfseen.show.moments import plot_moment_fit, plot_second_moment

        save_figure(plot_second_moment(self.model), folder / "second_moment.png")
        figure = plot_moment_fit(self.model, self.inference)
        if figure is not None:
            save_figure(figure, folder / "fit.png")

    def show(self, facts: dict[str, Any]) -> Iterator[Any]:
        data = facts["data"]
        yield (
            f"{data['source']}: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
            f"{count(data['n_entries'])} entries"
        )


def open_blocks(data: str, options: TableOptions) -> Iterable[Any]:
    """Rows in blocks, as often as they are asked for: from the file itself, or of a table that was read whole."""
    from halfseen.cli.source import column, is_file, is_wide, open_table, separator
    from halfseen.data.blocks import BlockReading, RowBlocks
    from halfseen.data.files import TextFormat, kind_of, open_source

    path = Path(data)
    if options.weight is not None:
        raise ValueError("--weight has no meaning for pairs of entries; leave it out")
    is_whole = options.values is not None or data == "-" or path.suffix == ".npz" or path.is_dir()
    roles = column(options.row), column(options.col), column(options.value)
    if not is_file(data) or is_wide(options) or is_whole:
        return [open_table(data, options)]
    reading = BlockReading(
        separator(options.sep), not options.no_header, options.missing, options.shift, options.duplicates.value
    )
    source = open_source(path, kind_of(path, reading.sep), TextFormat(reading.sep, reading.header))
    if any(role is None for role in roles) and len(source.names) != len(roles):
        return [open_table(data, options)]  # it may be wide, or have other columns in front
    return RowBlocks(path, *roles, reading)


def add_up(blocks: Iterable[Any], seed: int | None, bar: Steps) -> tuple[Any, Any]:
    """Moments of all rows, or of a random fifth apart from the others where there is a seed."""
    rng, rows = np.random.default_rng(seed), 0
    parts: list[Any] = [None, None]
    for block in blocks:
        bar.begin(f"adding up pairs, {count(rows)} rows")
        held = rng.random(block.shape[0]) < (HELD_OUT if seed is not None else 0.0)
        for k, chosen in enumerate((~held, held)):
            if not chosen.any():
                continue
            if parts[k] is None:
                parts[k] = hs.PairMoments.empty(block.shape[1], block.col_labels)
            parts[k].partial_fit(block if chosen.all() else block.take_rows(chosen))
        rows += block.shape[0]
    bar.end()
    train, held_out = parts
    if train is None:
        raise ValueError("the table has 0 entries")
    if seed is not None and held_out is None:
        raise ValueError("--rank auto holds a fifth of the rows out, and there are too few rows; give --rank N")
    return train, held_out


def errors_of(inference: Any, level: float) -> dict[str, Any]:
    """Intervals of eigenvalues and the angles of the row space."""
    values, space = inference.eigenvalues(), inference.row_space()
    return {
        "level": level,
        "eigenvalues_low": values.low,
        "eigenvalues_high": values.high,
        "angles": space.angles,
        "largest_angle": space.largest,
    }
