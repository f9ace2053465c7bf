"""What ``halfseen fit METHOD`` may be: one entry per method; its options are those of its estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from halfseen.cli.derive import Parameter, parameters_of
from halfseen.cli.options import (
    BlockedRowsOptions,
    FeatureFiles,
    GroupsOptions,
    HeldOption,
    PlainOption,
    ScaleOption,
    SourceOption,
    TrialsOption,
)

# So many parameters come first in the help; the others are fine settings.
MAIN = 6


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
        In results.
    file, cls : str
        Where its estimator stands, and what it is called.
    kind : {"table", "features", "sources", "rows"}
        What it is fitted to.
    about : str
        Help of the command.
    groups : tuple of dataclass
        Options of the job that go beyond reading, judging and output.
    searched : tuple of str
        Parameters that may be given several values.
    defaults : mapping
        Where the command line starts from another value than Python.
    left_out : tuple of str
        Parameters that the job sets.
    on_blocks : bool
        Whether it fits a prepared table.
    keeps : bool
        Whether its iterations can be kept, to go on from.
    """

    name: str
    title: str
    file: str
    cls: str
    kind: str
    about: str
    groups: tuple[Any, ...] = ()
    searched: tuple[str, ...] = ("rank", "penalty")
    defaults: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ("held_out", "threads")
    on_blocks: bool = False
    keeps: bool = True

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters that become options; the first few are the main ones."""
        given = [parameter for parameter in parameters_of(self.file, self.cls) if parameter.name not in self.left_out]
        return [
            Parameter(
                parameter.name,
                self.defaults.get(parameter.name, parameter.default),
                parameter.kind,
                parameter.text,
                place >= MAIN,
            )
            for place, parameter in enumerate(given)
        ]

    @property
    def estimator(self) -> Any:
        """The class itself."""
        import halfseen as hs

        return getattr(hs, self.cls, None) or getattr(hs.comparisons, self.cls)


READ = "--row user --col item --value rating"
METHODS = (
    Method(
        "factor", "factor model", "methods/factor/model.py", "GeneralizedFactorModel", "table",
        f"""Generalized factor model: real numbers, yes/no answers, counts, counts out of N, or ordered classes.

        Example: [bold]halfseen fit factor ratings.csv {READ} --rank 1,2,4 -o run/[/bold]""",
        (TrialsOption, ScaleOption), on_blocks=True,
    ),
    Method(
        "irt", "item response model", "methods/response/model.py", "ItemResponseModel", "table",
        """Item response model of yes/no answers, pass rates or counts: leaderboards, tests, item banks.

        Example: [bold]halfseen fit irt results.csv --row model --col question --value correct -o run/[/bold], then
        [bold]halfseen rank run/[/bold]""",
        (TrialsOption, GroupsOptions), searched=(), defaults={"kind": "auto"},
    ),
    Method(
        "als", "alternating least squares", "methods/completion/least_squares.py", "AlternatingLeastSquares", "table",
        f"""Alternating least squares with biases, for ratings and other real numbers.

        Example: [bold]halfseen fit als ratings.parquet {READ} -o run/[/bold]""",
        (ScaleOption,), on_blocks=True,
    ),
    Method(
        "bayes", "Bayesian factorisation", "methods/completion/bayesian.py", "BayesianFactorization", "table",
        f"""Bayesian factorisation by Gibbs sampling: nothing to tune, and predictive intervals.

        Example: [bold]halfseen fit bayes ratings.parquet {READ} --row-features users.csv -o run/[/bold], then
        [bold]halfseen predict run/ pairs.csv --level 0.95[/bold]""",
        (FeatureFiles, ScaleOption), on_blocks=True,
    ),
    Method(
        "soft-impute", "soft-impute", "methods/completion/soft_impute.py", "SoftImpute", "table",
        f"""Soft-impute: completion by the nuclear norm, its penalty chosen along a path.

        Example: [bold]halfseen fit soft-impute ratings.parquet {READ} -o run/[/bold]""",
        (ScaleOption,), on_blocks=True,
    ),
    Method(
        "descent", "overparametrized descent", "methods/descent/model.py", "OverparametrizedFactorization", "table",
        f"""Overparametrized descent: more columns than needed, a small start, an early stop; no rank to choose.

        Example: [bold]halfseen fit descent ratings.parquet {READ} -o run/[/bold]""",
        (TrialsOption, ScaleOption), searched=(), on_blocks=True,
    ),
    Method(
        "inductive", "inductive", "methods/inductive/model.py", "InductiveCompletion", "features",
        """Inductive completion: predictions for new rows and columns from their features.

        Example: [bold]halfseen fit inductive ratings.csv --row-features users.csv --col-features films.csv
        --held rows -o run/[/bold], then [bold]halfseen predict run/ --row-features new-users.csv --top 10[/bold]""",
        (FeatureFiles, HeldOption),
    ),
    Method(
        "row-kernel-ridge", "kernel ridge of rows", "methods/comparisons/kernel_ridge.py", "RowKernelRidge", "features",
        """Kernel ridge of the rows of a one-class table: known links, from features or similarities of the rows.

        A file of features whose columns are called as its lines are holds similarities.

        Example: [bold]halfseen fit row-kernel-ridge links.csv --row-features similar-targets.csv --held rows
        -o run/[/bold], then [bold]halfseen predict run/ --row-features new-targets.csv --top 10[/bold]""",
        (FeatureFiles, HeldOption), searched=("penalty",), defaults={"penalty": "0.03,0.1,0.3,1,3"}, keeps=False,
    ),
    Method(
        "kron-ridge", "kernel ridge of cells", "methods/comparisons/kernel_ridge.py", "KronRidge", "features",
        """Kernel ridge of all cells of a one-class table, from features or similarities of rows and columns.

        A file of features whose columns are called as its lines are holds similarities.

        Example: [bold]halfseen fit kron-ridge links.csv --row-features targets.csv --col-features drugs.csv
        --held rows -o run/[/bold], then [bold]halfseen predict run/ --row-features new-targets.csv --top 10[/bold]""",
        (FeatureFiles, HeldOption), searched=("penalty",), defaults={"penalty": "0.03,0.1,0.3,1,3"}, keeps=False,
    ),
    Method(
        "moment", "one-sided completion", "methods/moment/model.py", "OneSidedCompletion", "rows",
        """One-sided completion: how columns move together, from rows with a handful of entries each.

        Rows go through in blocks, so files may be larger than memory.

        Example: [bold]halfseen fit moment visits.parquet --row user --col shop --value spent -o run/[/bold]""",
        (BlockedRowsOptions,), searched=("rank",), defaults={"rank": "auto"}, left_out=("ranks", "keeps_rows"),
        on_blocks=True, keeps=False,
    ),
    Method(
        "heterogeneous", "heterogeneous", "methods/heterogeneous/model.py", "HeterogeneousFactorization", "sources",
        f"""Many sources over the same rows: what they share and what is each one's own.

        Example: [bold]halfseen fit heterogeneous ratings.csv --source genre {READ}
        -o run/[/bold], or [bold]halfseen fit heterogeneous north.csv south.csv -o run/[/bold]""",
        (SourceOption,), searched=("shared_rank", "unique_rank", "penalty"),
    ),
    Method(
        "autoencoder", "autoencoder", "methods/autoencoder/model.py", "HeterogeneousAutoencoder", "sources",
        f"""Autoencoders of half-seen columns; of several sources, with encoders of their own. Needs the extra 'torch'.

        Example: [bold]halfseen fit autoencoder ratings.csv --source genre {READ}
        -o run/[/bold], or
        [bold]halfseen fit autoencoder u.data --no-header --row 0 --col 1 --value 2 -o run/[/bold]""",
        (SourceOption, PlainOption), searched=("penalty", "unique_penalty"),
    ),
)  # fmt: skip


def method_named(name: str) -> Method:
    """The method of this name."""
    return next(method for method in METHODS if method.name == name)


def those_on_blocks() -> str:
    """The commands that fit a prepared table, to be named in an error."""
    return ", ".join(f"fit {method.name}" for method in METHODS if method.on_blocks)
