"""What the values of a table suggest: a family, a method, and what is worth a second look."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data.components import components
from halfseen.errors import shown

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

# Counts whose squared errors exceed what Poisson counts of the same row and column means have by this factor.
OVERDISPERSED = 2.0
# Below this they are no counts, at least not Poisson ones; at values all above that Poisson and normal hardly differ.
UNDERDISPERSED, FAR_FROM_ZERO = 0.7, 20.0
# Whole answers from 3 to this many neighbouring values are steps of a scale.
STEPS = 11
# Spreads of columns that differ by this factor; a sensor panel has hundreds, answers on one scale at most three.
SPREAD = 10.0
# Of fewer cells a column's spread says little.
ENOUGH = 10
# A value this many times further from the others than they are from each other is a code.
FAR = 3.0
CODES = frozenset((-9.0, -99.0, -999.0, -9999.0, -1.0, 9.0, 99.0, 999.0, 9999.0, 255.0, 65535.0, -9998.0, 99999.0))
HEAPED = 0.05
SPARSE = 0.5
# Graphs and sums of larger tables would take longer than reading them.
LARGEST = 20_000_000
NAMED = 4


@dataclass(frozen=True)
class Hint:
    """One thing that the values suggest.

    Attributes
    ----------
    kind : str
        "family", "method", "question" or "structure".
    text : str
        A plain sentence.
    value : str
        The family or method meant; "" for questions and structure.
    """

    kind: str
    text: str
    value: str = ""


def hints(observed: Observed) -> list[Hint]:
    """Return what the values and places of a table suggest, the family first.

    Rules, with the constants of this module: two values 0 and 1 are bernoulli; whole steps of a scale (3 to 11
    neighbouring values) are ordinal; counts are negative_binomial where their squared errors about the product of row
    and column means exceed the means twofold, else poisson; all else is gaussian. Ratings of which less than half
    was seen point to Bayesian factorization. Asked about: two values that are not 0 and 1, a code far from all other
    values, an end of the scale that many entries share. Said: a complete table, constant columns, columns of very
    different
    spread,
    groups of rows without a common column.

    Examples
    --------
    >>> import halfseen as hs
    >>> R = hs.Observed.from_dense([[1, 0], [0, float("nan")]])
    >>> [(hint.kind, hint.value) for hint in hints(R)]
    [('family', 'bernoulli')]
    """
    if not observed.n_entries:
        return []
    distinct, counts = np.unique(observed.values, return_counts=True)
    distinct = distinct.astype(np.float64)
    remarks = [*_families(observed, distinct), *_questions(distinct, counts, observed.n_entries)]
    return remarks + (_structure(observed, distinct) if observed.n_entries + sum(observed.shape) <= LARGEST else [])


def as_dicts(remarks: list[Hint]) -> list[dict[str, str]]:
    """The same as plain values, ready for JSON."""
    return [asdict(hint) for hint in remarks]


def _families(observed: Observed, distinct: FloatArray) -> list[Hint]:
    if observed.trials is not None:
        return [Hint("family", "The values count successes out of the trials of each entry.", "bernoulli")]
    if np.isin(distinct, (0.0, 1.0)).all():
        return [Hint("family", "The values are 0 and 1.", "bernoulli")]
    whole = bool((distinct == np.trunc(distinct)).all())
    halves = bool((2 * distinct == np.trunc(2 * distinct)).all())
    low, high = distinct[0], distinct[-1]
    is_scale = whole and 3 <= high - low + 1 <= STEPS and len(distinct) >= 3 and low in (0.0, 1.0)
    is_rating = is_scale or (halves and low >= 0 and high <= 10 and len(distinct) >= 3)
    ratings = []
    if is_rating and observed.density < SPARSE and low > 0:
        ratings = [
            Hint("method", "Ratings of which most are unseen: Bayesian factorization completes them best.", "bayes")
        ]
    if is_scale:
        steps = f"{int(high - low + 1)} ordered steps, {low:g} to {high:g}"
        first = Hint("family", f"The values are {steps}: ordered answers (Likert codes, ratings).", "ordinal")
        return [first, *ratings]
    if whole and low >= 0 and len(distinct) > 2:
        return [_counts(observed), *ratings]
    return [Hint("family", "The values are real numbers.", "gaussian"), *ratings]


def _counts(observed: Observed) -> Hint:
    r"""Poisson counts have :math:`E (y - \mu)^2 = \mu`; here :math:`\mu_{ij}` is row mean x column mean / mean."""
    factor = dispersion(observed)
    if factor > OVERDISPERSED:
        text = (
            f"Counts that scatter {factor:.3g} times as much as Poisson counts of the same row and column means: "
            "negative binomial, not Poisson."
        )
        return Hint("family", text, "negative_binomial")
    if factor < UNDERDISPERSED or float(observed.values.min()) >= FAR_FROM_ZERO:
        why = (
            "stay far from zero" if factor >= UNDERDISPERSED else f"scatter {factor:.2g} times as much as counts would"
        )
        return Hint("family", f"Whole numbers that {why} (grades, scores): real numbers fit them better.", "gaussian")
    return Hint("family", "Counts without an upper bound.", "poisson")


def dispersion(observed: Observed) -> float:
    r"""Mean of :math:`(y - \mu)^2 / \mu` of counts, :math:`\mu_{ij} = \bar y_{i\cdot} \bar y_{\cdot j} / \bar y`.

    Corrected for the row and column means that were estimated; 1 for Poisson counts of independent effects.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> counts = np.random.default_rng(0).poisson(4.0, (60, 40)).astype(float)
    >>> 0.9 < dispersion(hs.Observed.from_dense(counts)) < 1.1
    True
    """
    group, y = observed.by_rows, observed.values.astype(np.float64)
    total = y.mean()
    if not total > 0:
        return 0.0
    rows = observed.rows
    n_r = group.counts
    row_means = np.bincount(rows, weights=y, minlength=len(n_r)) / np.maximum(n_r, 1)
    n_c = np.bincount(observed.cols, minlength=observed.shape[1])
    # The columns' effects after the rows': rows with larger counts may have seen other columns.
    expected = np.bincount(observed.cols, weights=row_means[rows], minlength=len(n_c))
    effects = np.bincount(observed.cols, weights=y, minlength=len(n_c)) / np.where(expected > 0, expected, 1.0)
    mu = row_means[rows] * effects[observed.cols]
    kept = mu > 0
    free = kept.sum() - np.count_nonzero(n_r) - np.count_nonzero(n_c) + 1
    if free < 10:
        return float(y.var() / total)
    return float((np.square(y[kept] - mu[kept]) / mu[kept]).sum() / free)


def _questions(distinct: FloatArray, counts: Any, n_entries: int) -> list[Hint]:
    """Values that may be codes, not measurements."""
    if len(distinct) == 1:
        return [Hint("question", f"Every value is {distinct[0]:g}: there is nothing to learn from.")]
    if len(distinct) == 2 and not np.array_equal(distinct, (0.0, 1.0)):
        low, high = distinct
        text = (
            f"There are only two values, {low:g} and {high:g}. If they are codes of two answers, say so: "
            f"values={{{low:g}: 0, {high:g}: 1}} with family='bernoulli'; if {high:g} means 'not observed', "
            f"missing={high:g}"
        )
        return [Hint("question", text)]
    questions = []
    for code, others, side in ((distinct[-1], distinct[:-1], -1), (distinct[0], distinct[1:], 0)):
        reach = others[-1] - others[0]
        gap = abs(code - (others[-1] if side else others[0]))
        share = counts[side] / n_entries
        if len(distinct) >= 3 and reach > 0 and gap > FAR * reach and (code in CODES or share >= HEAPED):
            text = (
                f"{shown(float(code))} stands in {counts[side]} entries, far from all others ({others[0]:g} to "
                f"{others[-1]:g}). If it means 'not observed', say missing={code:g}"
            )
            questions.append(Hint("question", text))
        elif (
            len(distinct) > STEPS
            and share >= 4 * HEAPED
            and share > 2 * counts[1 + side if side == 0 else side - 1] / n_entries
        ):
            end = "largest" if side else "smallest"
            text = (
                f"{100 * share:.0f} % of the entries are {code:g}, the {end} value. If that is a limit of the "
                "measurement or "
                f"means 'not observed', say missing={code:g}"
            )
            questions.append(Hint("question", text)) if code != 0 else None
    return questions


def _structure(observed: Observed, distinct: FloatArray) -> list[Hint]:
    (n, p), remarks = observed.shape, []
    if observed.n_entries == n * p:
        remarks.append(
            Hint("structure", "The table is complete: every cell was observed, and none is left to predict.")
        )
    is_real = len(distinct) > STEPS and not (distinct == np.trunc(distinct)).all()
    remarks += _columns(observed, is_real)
    parts = components(observed)
    if parts.n_parts > 1:
        sizes = ", ".join(str(size) for size in parts.row_counts[:NAMED])
        more = ", ..." if parts.n_parts > NAMED else ""
        remarks.append(Hint("structure", (
            f"The rows fall into {parts.n_parts} groups without a common column ({sizes}{more} rows): rows of "
            "different "
            "groups cannot be compared. Fit the groups apart, or add entries that link them"
        )))  # fmt: skip
    return remarks


def _columns(observed: Observed, is_real: bool) -> list[Hint]:
    """Constant columns, and columns of very different spread."""
    group, y = observed.by_rows, observed.values
    count = group.minor_sums()
    mean = group.minor_sums(y) / np.maximum(count, 1)
    square = group.minor_sums(np.square(y.astype(np.float64) - mean[observed.cols]))
    sd = np.sqrt(square / np.maximum(count - 1, 1))
    size = np.maximum(np.abs(mean), np.finfo(y.dtype).tiny)
    constant = np.flatnonzero((count >= 2) & (sd <= 1e-7 * size))
    remarks = []
    if len(constant) and len(constant) < observed.shape[1]:
        names = constant[:NAMED] if observed.col_labels is None else observed.col_labels[constant[:NAMED]]
        more = f" and {len(constant) - NAMED} more" if len(constant) > NAMED else ""
        listed = ", ".join(shown(name) for name in names)
        word, verb = ("column", "is") if len(constant) == 1 else ("columns", "are")
        remarks.append(Hint("structure", f"{len(constant)} {word} {verb} constant: {listed}{more}."))
    spread = sd[(count >= ENOUGH) & (sd > 1e-7 * size)]
    if is_real and len(spread) >= 2 and spread.max() > SPREAD * spread.min():
        ratio = spread.max() / spread.min()
        remarks.append(Hint("structure", (
            f"The columns differ in spread by a factor of {ratio:.3g}, so the widest ones decide the fit: fit in "
            "units of each "
            "column's spread (scale columns), if they measure different things"
        ), "scale columns"))  # fmt: skip
    return remarks
