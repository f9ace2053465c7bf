"""Models of many sources: what is shared, what is each one's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data import Sources
from halfseen.show.source_factors import clear_factors
from halfseen.show.sources import part_images, plot_heterogeneity, plot_shared_basis, plot_shares
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import ends
from halfseen.summary.parts import Chapter, Column, Interval, Part, Picture, Section, Table, Text
from halfseen.summary.source_factors import explained, factor_sections
from halfseen.summary.subject import Subject
from halfseen.text import count

# Below this, shared and unique directions can hardly be told apart.
LEAST_MISALIGNMENT = 0.05
MOST_BARS = 60
MOST_IMAGES = 3
# Intervals take twenty further fits.
MOST_REFITTED = 300_000


def chapter(subject: Subject) -> Chapter:
    """Shares, shared basis, index over columns, unique parts, fit."""
    model = subject.model
    names = model.source_names_
    ranks = {model.unique_basis_[name].shape[1] for name in names}
    chapter = Chapter(
        f"Many sources: {kinds(model)}",
        f"{type(model).__name__}: what {len(names)} tables over the same rows share, and what is each one's own.",
        [("sources", count(len(names))), ("rows", count(model.n_rows_)),
         ("columns of all", count(sum(len(model.shared_loadings_[name]) for name in names))), *glance(subject)],
    )  # fmt: skip
    if len(names) > 1 and model.misalignment_ < LEAST_MISALIGNMENT and max(ranks):
        subject.note(
            f"The unique bases hardly differ (misalignment {three(model.misalignment_)}): what is shared and what is "
            "unique can hardly be told apart."
        )
    if restarted := getattr(model, "restarted_", []):
        subject.note(f"Started afresh on the way: {', '.join(map(str, restarted[:5]))}.", is_warning=False)
    if hasattr(model, "posterior_"):
        factors = factor_sections(subject, chapter)
        chapter.sections += [factors[0], _shares(subject), *factors[1:], *_images(subject), fit_section(subject)]
    else:
        chapter.sections += [_shares(subject), _shared(subject, chapter), *_images(subject), fit_section(subject)]
    text = "Descriptions of the fit. Shared and unique parts are what they are called only if the unique bases differ "
    chapter.claim(
        "shares, index", "none", text + "between sources (misalignment away from 0) and both ranks are right."
    )
    return chapter


def kinds(model: Any) -> str:
    """Ranks; of the Bayesian model how many factors all, some and single sources take part in, faint ones left out."""
    if not hasattr(model, "posterior_"):
        ranks = sorted({model.unique_basis_[name].shape[1] for name in model.source_names_})
        unique = str(ranks[0]) if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}"
        return f"shared {model.shared_basis_.shape[1]} + unique {unique}"
    size, n_sources = np.asarray(model.activity_).sum(axis=1), len(model.source_names_)
    counts = {
        "shared": int(np.sum(size == n_sources)),
        "partly shared": int(np.sum((size > 1) & (size < n_sources))),
        "of one source": int(np.sum((size == 1) & (n_sources > 1))),
    }
    return " + ".join(f"{number} {word}" for word, number in counts.items() if number or word == "shared")


def brief(subject: Subject) -> list[Part]:
    """Shares of the sources, and what each factor explains."""
    model = subject.model
    told: list[Part] = explained(model) if hasattr(model, "posterior_") and len(clear_factors(model)) else []
    return [part for part in [*_shares(subject).parts, *told] if not isinstance(part, Picture)]


def _shares(subject: Subject) -> Section:
    """How much of each source is shared, unique and neither."""
    model = subject.model
    names = model.source_names_
    index = model.heterogeneity_index()
    shares = {key: np.array([model.shares_[name][key] for name in names]) for key in ("shared", "unique", "residual")}
    columns: list[Column | Interval] = [
        Column("source", names, kind="text"),
        Column("columns", [len(model.shared_loadings_[name]) for name in names], kind="count"),
        Column("shared", np.maximum(shares["shared"], 0.0), "of the sum of squares of its entries", "share"),
        Column("unique", np.maximum(shares["unique"], 0.0), "", "share"),
        Column("neither", shares["residual"], "", "share"),
        Column(*own_factors(model), kind="count"),
        Column("mean index", [float(np.mean(index[name])) if len(index[name]) else np.nan for name in names],
               "mean heterogeneity index of its columns"),
    ]  # fmt: skip
    if isinstance(subject.data, Sources):
        entries = [subject.data[name].n_entries for name in names]
        columns.insert(2, Column("entries", entries, kind="count"))
    elif recorded := subject.record.get("data", {}).get("sources"):
        entries = [recorded.get(name, {}).get("n_entries", np.nan) for name in names]
        columns.insert(2, Column("entries", entries, kind="count"))
    order = np.argsort(-shares["unique"], kind="stable")
    parts: list[Part] = [
        Text(
            f"Misalignment of the unique bases: {model.misalignment_:.3f} (near 0 what is shared and what is unique "
            "cannot be told apart)."
        ),
        Table("Sources, the most unique first", columns, "sources").take(order),
    ]
    if len(names) <= MOST_BARS:
        parts.append(Picture(lambda: plot_shares(model), "shares of each source that are shared, unique and neither"))
    parts.append(
        Picture(
            lambda: plot_heterogeneity(model),
            "heterogeneity index of every column, source after source",
            "Heterogeneity index of every column, source after source; over time, where sources are windows.",
            is_wide=True,
        )
    )
    return Section("What is shared and what is unique", parts)


def own_factors(model: Any) -> tuple[str, list[int]]:
    """How many factors every source has beside those of all, faint ones not counted, and what they are called."""
    if not hasattr(model, "posterior_"):
        return "unique rank", [model.unique_basis_[name].shape[1] for name in model.source_names_]
    active = np.asarray(model.activity_)
    mine = active[~active.all(axis=1)].sum(axis=0)
    return "factors of its own or of some", mine.tolist()


def _shared(subject: Subject, chapter: Chapter) -> Section:
    """Rows that stand out on the shared factors, and on the unique ones."""
    model = subject.model
    labels = np.arange(model.n_rows_) if model.row_labels_ is None else np.asarray(model.row_labels_)
    lines = [("shared", k, model.shared_basis_[:, k]) for k in range(model.shared_basis_.shape[1])]
    for name in model.source_names_:
        basis = model.unique_basis_[name]
        lines += [(str(name), k, basis[:, k]) for k in range(basis.shape[1])]
    if not lines:
        return Section("Factors", [Text("Both ranks are 0: there are no factors.")])
    columns = [
        Column("of", [name for name, _, _ in lines], kind="text"),
        Column("factor", [k + 1 for _, k, _ in lines], kind="count"),
        Column("rows at one end", [ends(vector[:, None], labels, 1)[0] for _, _, vector in lines], kind="text"),
        Column("rows at the other end", [ends(vector[:, None], labels, -1)[0] for _, _, vector in lines], kind="text"),
    ]
    parts: list[Part] = [Table("Rows that stand out on each factor", columns, "factors"), *_errors(subject, chapter)]
    if model.shared_basis_.shape[1]:
        parts.append(Picture(lambda: plot_shared_basis(model), "the shared basis as a heat map",
                             "The shared basis: rows below each other, factors side by side."))  # fmt: skip
    return Section("Factors", parts)


def _errors(subject: Subject, chapter: Chapter) -> list[Part]:
    """The shared basis with intervals, where the model has them and its data are small enough to leave parts out."""
    if not isinstance(subject.data, Sources) or subject.data.n_entries > MOST_REFITTED or not subject.inference:
        return []
    basis, space = subject.inference.shared_basis(), subject.inference.shared_space()
    columns: list[Column | Interval] = [Column("row", np.asarray(basis.labels["row"])[:, 0], kind="text")]
    for k in range(basis.estimate.shape[1]):
        columns.append(Column(f"factor {k + 1}", basis.estimate[:, k]))
        title = f"{100 * basis.level:g} % interval of {k + 1}"
        columns.append(Interval(title, basis.low[:, k], basis.high[:, k], basis.estimate[:, k]))
    chapter.claim(
        "entry of the shared basis", basis.level, f"{basis.claim}. Which direction comes first is a convention."
    )
    chapter.claim("angle of the shared space", space.level, f"{basis.claim}.")
    text = f"The shared space lies within {three(space.largest)} degrees of the true one ({space.level:.0%})."
    return [Text(text), Table("Shared basis", columns, "shared-basis")]


def _images(subject: Subject) -> list[Section]:
    """Parts as pictures, where the rows are the pixels of pictures."""
    size = subject.details.get("image")
    if not size:
        return []
    model = subject.model
    chosen = model.source_names_[:MOST_IMAGES]
    parts: list[Part] = [
        Picture(
            lambda name=name: part_images(model, name, tuple(size)),  # type: ignore[misc]
            f"some pictures of {name}: fit, shared part, unique part",
            is_wide=True,
        )
        for name in chosen
    ]
    return [Section("Pictures", parts)]
