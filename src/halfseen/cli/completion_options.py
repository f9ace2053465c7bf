"""Switches of the commands that fit one plain factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer


@dataclass(frozen=True)
class AlsOptions:
    """Switches of alternating least squares; None is the library's default."""

    penalty: Annotated[
        float | None, typer.Option(min=0, metavar="X", help="Ridge on the factors.", show_default="auto")
    ] = None
    bias_penalty: Annotated[
        float | None, typer.Option(min=0, metavar="X", help="Ridge on the biases.", show_default="0.3")
    ] = None
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="X", help="The ridge grows with this power of a row's entries.", show_default="0.5"
        ),
    ] = None
    max_iter: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Sweeps over columns and rows.", show_default="20")
    ] = None
    clip: Annotated[
        str | None,
        typer.Option(metavar="range|LOW,HIGH", help="Keep predictions in the range of the values, or in one given."),
    ] = None


class Values(StrEnum):
    """What the values of a Bayesian factorisation are."""

    gaussian = "gaussian"
    bernoulli = "bernoulli"


@dataclass(frozen=True)
class BayesOptions:
    """Switches of Bayesian factorisation; None is the library's default."""

    family: Annotated[Values, typer.Option(help="Real values, or answers that are 0 or 1.")] = Values.gaussian
    max_iter: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Sweeps that are averaged over.", show_default="200")
    ] = None
    burn_in: Annotated[int | None, typer.Option(min=0, metavar="N", help="Sweeps before those.", show_default="20")] = (
        None
    )
    memory: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="MIB",
            help="Memory (and size of the saved model) for the draws.",
            show_default="64, or twice the entries",
        ),
    ] = None
    clip: Annotated[
        str | None,
        typer.Option(metavar="range|LOW,HIGH", help="Keep predictions in the range of the values, or in one given."),
    ] = None


class Debias(StrEnum):
    """Whether singular values are fitted anew without penalty."""

    auto = "auto"
    yes = "yes"
    no = "no"


@dataclass(frozen=True)
class NuclearOptions:
    """Switches of soft-impute; None is the library's default."""

    penalty: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="Price of a singular value.", show_default="best on held-out entries"),
    ] = None
    bias_penalty: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="Ridge on the biases, in entries.", show_default="3"),
    ] = None
    biases: Annotated[bool, typer.Option(help="Mean, row and column biases beside the low-rank part.")] = True
    debias: Annotated[
        Debias, typer.Option(help="Fit the singular values anew without penalty: if it predicts better (auto).")
    ] = Debias.auto
    clip: Annotated[
        str | None,
        typer.Option(metavar="range|LOW,HIGH", help="Keep predictions in the range of the values, or in one given."),
    ] = None
