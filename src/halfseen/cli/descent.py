"""What ``fit descent`` means, and what it adds to the record of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.fit import Method
from halfseen.cli.options import DescentSwitches
from halfseen.losses import get_loss
from halfseen.methods.descent.model import DEFAULT_RANK
from halfseen.methods.descent.options import checked_options, checked_stop


def descent(family: str, trials: int | None, switches: DescentSwitches | None = None) -> Method:
    """Overparametrized descent; what is not given is the library's default."""
    found = switches or DescentSwitches()
    code = str(family)
    if (code == "binomial") != (trials is not None):
        raise ValueError("--family binomial and --trials N belong together: give both or neither")
    if trials is not None:
        code = f"binomial({trials})"
    given: dict[str, Any] = {} if found.iterations is None else {"max_iter": found.iterations}
    options = checked_options(hs.DescentOptions(centre=found.centre, **given))
    more: dict[str, Any] = {} if found.start_scale is None else {"start_scale": found.start_scale}
    stop: Any = int(found.stop) if found.stop.lstrip("-").isdigit() else found.stop
    checked_stop(stop)

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.OverparametrizedFactorization(rank, **more, stop=stop, loss=code, options=options, random_state=seed)

    columns = DEFAULT_RANK if found.columns is None else found.columns
    return Method("descent", "overparametrized descent", get_loss(code), make, columns=columns)


def stop_facts(model: Any) -> dict[str, Any]:
    """When a descent was stopped, and how many components it had by then."""
    sizes = np.asarray(model.singular_values_, dtype=float)
    return {
        "time": model.stop_time_,
        "threshold": model.threshold_,
        "n_components": int(np.sum(sizes > model.threshold_)),
        "singular_values": sizes,
    }
