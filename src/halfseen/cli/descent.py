"""What ``fit descent`` means."""

from __future__ import annotations

from typing import Any

import halfseen as hs
from halfseen.cli.fit import Method
from halfseen.cli.options import DescentSwitches
from halfseen.losses import get_loss
from halfseen.methods.descent.model import DEFAULT_RANK


def descent(family: str, trials: int | None, switches: DescentSwitches | None = None) -> Method:
    """Overparametrized descent; what is not given is the library's default."""
    chosen = switches or DescentSwitches()
    code = str(family)
    if (code == "binomial") != (trials is not None):
        raise ValueError("--family binomial and --trials N belong together: give both or neither")
    if trials is not None:
        code = f"binomial({trials})"
    given = {name: getattr(chosen, name) for name in ("max_iter", "start_scale")}
    given = {name: value for name, value in given.items() if value is not None}
    stop: Any = int(chosen.stop) if chosen.stop.lstrip("-").isdigit() else chosen.stop
    settings: dict[str, Any] = {"family": code, "stop": stop, "centre": chosen.centre, **given}

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.OverparametrizedFactorization(rank, random_state=seed, **settings)

    make(1, "", 0)._checked()
    columns = DEFAULT_RANK if chosen.rank is None else chosen.rank
    return Method("descent", "overparametrized descent", get_loss(code), make, columns=columns)
