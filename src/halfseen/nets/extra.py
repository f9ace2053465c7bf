"""The optional torch: loaded on first use, on a device of the user's choice, with seeds that reproduce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def load_torch(what: str = "this model") -> Any:
    """Import torch, or say which extra brings it.

    Parameters
    ----------
    what : str
        Who needs it, for the message.

    Raises
    ------
    ImportError
        Where torch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{what} needs torch, which is not installed; install the extra: pip install 'halfseen[torch]'"
        ) from error
    return torch


def find_device(device: str) -> Any:
    """The torch device of a name: "auto" is CUDA where there is one, else the processor.

    Raises
    ------
    ValueError
        For a name torch does not know, and for a device this machine does not have.

    Examples
    --------
    >>> find_device("cpu").type
    'cpu'
    """
    torch = load_torch("a network")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not known; use 'auto', 'cpu' or 'cuda' ('cuda:1', ...)") from error
    if chosen.type == "cuda" and not (torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count()):
        raise ValueError(f"device={device!r} is not on this machine; use device='auto' or 'cpu'")
    return chosen


def seed_of(rng: np.random.Generator) -> Any:
    """A torch generator on the processor, seeded by ``rng``: the same draws whatever the device of the network.

    Examples
    --------
    >>> draws = [load_torch().rand(1, generator=seed_of(np.random.default_rng(0))).item() for _ in range(2)]
    >>> draws[0] == draws[1]
    True
    """
    return load_torch("a network").Generator("cpu").manual_seed(int(rng.integers(2**62)))


@contextmanager
def threads_of(n_threads: int | None) -> Iterator[None]:
    """Torch on that many threads of the processor inside the block (None: as it is set), as before after it."""
    torch = load_torch("a network")
    before = torch.get_num_threads()
    try:
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        yield
    finally:
        torch.set_num_threads(before)
