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
from halfseen.cli.options import BlockedRowsOptions, TableOptions
from halfseen.cli.screen import Steps, count, figures, share, steps, table

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
        self.whole = open_blocks(self.asked.data[0], self.asked.table)
        self.make({})._checked()

    def make(self, chosen: dict[str, Any]) -> Any:
        return super().make({**chosen, "random_state": self.asked.part(BlockedRowsOptions).seed})

    def run(self) -> None:
        """Pairs of all rows (to choose a rank, those of a fifth of the rows apart), the fit, and its errors."""
        given, is_auto = self.asked.part(BlockedRowsOptions), self.values["rank"] == ("auto",)
        with steps(2 + given.errors) as bar:
            clock = time.perf_counter()
            train, held_out = add_up(self.whole, given.seed if is_auto else None, bar)
            self.seconds["pairs"] = time.perf_counter() - clock
            self.model = self.make({})
            bar.begin("fitting the pairs")
            clock = time.perf_counter()
            with warnings.catch_warnings():
                # the same is among the notes
                warnings.filterwarnings("ignore", "rows have .* entries on average", UserWarning)
                self.model.fit_moments(train, held_out)
            self.seconds["fit"] = time.perf_counter() - clock
            bar.end()
            if given.errors:
                bar.begin("row-clustered errors")
                clock = time.perf_counter()
                self.inference = self.model.inference(given.level, R=self.whole, random_state=given.seed)
                self.seconds["errors"] = time.perf_counter() - clock
                self.intervals = errors_of(self.inference, given.level)
                bar.end()
        search = self.model.rank_search_
        self.choice = None if search is None else {"ranks": search.ranks, "losses": search.losses}

    def split(self, data: Any, share: float, seed: int) -> tuple[Any, Any]:
        raise NotImplementedError("rows that go through in blocks are not held out")

    def score(self, model: Any, hidden: Any) -> tuple[np.ndarray | None, dict[str, float]]:
        raise NotImplementedError("rows that go through in blocks are not held out")

    def rivals(self, seen: Any) -> list[tuple[str, Any]]:
        return []

    def facts(self) -> dict[str, Any]:
        model, diagnostics = self.model, self.model.diagnostics_
        moments = model.moments_
        return {
            "data": {
                "source": self.asked.data[0],
                "n_rows": moments.n_rows,
                "n_cols": moments.n_cols,
                "n_entries": moments.n_entries,
                "density": moments.n_entries / max(moments.n_rows * moments.n_cols, 1),
            },
            "rank": model.rank_,
            "psi": model.psi_,
            "eigenvalues": model.eigenvalues_,
            "diagnostics": {
                "entries_per_row": diagnostics.entries_per_row,
                "rows_with_pairs": diagnostics.rows_with_pairs,
                "share_of_pairs": diagnostics.share_of_pairs,
                "unseen_columns": int(diagnostics.unseen.sum()),
                "columns_with_few_partners": int(diagnostics.few_partners.sum()),
                "islands": diagnostics.n_islands,
                "activity_slope": diagnostics.activity_slope,
                "messages": diagnostics.messages(model.rank_),
            },
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
        data, diagnostics = facts["data"], facts["diagnostics"]
        yield (
            f"{data['source']}: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
            f"{count(data['n_entries'])} entries, {diagnostics['entries_per_row']:.1f} per row"
        )
        yield (
            f"{count(diagnostics['rows_with_pairs'])} rows with two or more; "
            f"{share(diagnostics['share_of_pairs'])} of all pairs of columns were seen together"
        )
        yield ""
        yield components_table(facts)

    def after(self, facts: dict[str, Any]) -> Iterator[Any]:
        yield ""
        if "choice" in facts:
            loss = min(facts["choice"]["losses"])
            yield (
                f"rank {facts['rank']} of {', '.join(map(str, facts['choice']['ranks']))}, chosen on pairs of "
                f"held-out rows: explains {share(max(1 - loss, 0.0))} of their squares (the rest is mostly chance)"
            )
        yield f"variance that no factor explains: {psi_text(facts['psi'])} per column"
        if "intervals" in facts:
            yield (
                f"row space: within {facts['intervals']['largest_angle']:.1f} degrees of the true one "
                f"({facts['intervals']['level']:.0%})"
            )
        for text in facts["diagnostics"]["messages"]:
            yield f"note: {text}"


def psi_text(psi: Any) -> str:
    """One variance, or the range of those of the columns."""
    return f"{psi:.4g}" if isinstance(psi, float | int) else f"{min(psi):.4g} to {max(psi):.4g}"


def open_blocks(data: str, options: TableOptions) -> Iterable[Any]:
    """Rows in blocks, as often as they are asked for: from the file itself, or of a table that was read whole."""
    from halfseen.cli.source import column, is_file, is_wide, open_table, separator
    from halfseen.data.blocks import BlockReading, RowBlocks

    path = Path(data)
    if options.weight is not None:
        raise ValueError("--weight has no meaning for pairs of entries; leave it out")
    is_whole = options.values is not None or data == "-" or path.suffix == ".npz" or path.is_dir()
    if not is_file(data) or is_wide(options) or is_whole:
        return [open_table(data, options)]
    reading = BlockReading(
        separator(options.sep), not options.no_header, options.missing, options.shift, options.duplicates.value
    )
    return RowBlocks(path, column(options.row), column(options.col), column(options.value), reading)


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


def components_table(facts: dict[str, Any]) -> Any:
    """Eigenvalues, their intervals and angles."""
    values, intervals = facts["eigenvalues"], facts.get("intervals")
    psi = facts["psi"]
    total = sum(values) + (sum(psi) if isinstance(psi, list) else psi * facts["data"]["n_cols"])
    heads = ["eigenvalue", "of all"]
    columns = [figures(values), [share(value / total) if total > 0 else "-" for value in values]]
    if intervals is not None:
        low, high = (figures(intervals[f"eigenvalues_{end}"]) for end in ("low", "high"))
        heads += [f"{intervals['level']:.0%} interval", "angle"]
        columns += [[f"{a} .. {b}" for a, b in zip(low, high, strict=True)], [f"{a:.1f}" for a in intervals["angles"]]]
    grid = table("component", *heads)
    for k in range(len(values)):
        grid.add_row(str(k + 1), *(column[k] for column in columns))
    return grid
