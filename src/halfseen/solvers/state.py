"""What changes while a run goes on, beside its parameters: states of generators, memories of sweeps and of stops.

A sweep and its stops are walked through: attributes, containers, closures. Entries, engines and estimators are not
entered. What differs from how the run began is written down; where a run goes on, the walk is repeated on objects
that were built anew, and they are changed to what was written.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from enum import Enum
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from halfseen.data import Compressed, Observed, PreparedTable, Sources
from halfseen.engines import EntryPasses

SIMPLE = (str, bytes, int, float, complex, bool, type(None), np.ndarray, np.generic, np.dtype, range, slice)
CONTAINERS = (list, tuple, dict, deque, set, frozenset)
OUTSIDE = (Observed, Compressed, PreparedTable, Sources, EntryPasses, type)
# What a checkpoint may name beside records of halfseen and number types of NumPy; nothing else is rebuilt from one.
NAMED = {
    "builtins": {"set", "frozenset", "complex", "slice", "range", "bytearray"},
    "collections": {"OrderedDict", "deque", "defaultdict", "Counter"},
    "_codecs": {"encode"},
    "halfseen.solvers.state": {"_laid_out", "_tensor", "_sparse_tensor"},
    "torch": {"Size", "device", "float32", "float64", "int64", "bool"},
    "numpy": {"ndarray", "dtype"},
    # under both names of NumPy's inner package
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
}


def is_plain(value: Any) -> bool:
    """Whether a value is numbers, text, arrays, and unchangeable records and containers of these."""
    if isinstance(value, SIMPLE):
        return not (isinstance(value, np.ndarray) and value.dtype.hasobject)
    if isinstance(value, dict):
        return all(map(is_plain, value.keys())) and all(map(is_plain, value.values()))
    if isinstance(value, CONTAINERS):
        return all(map(is_plain, value))
    if type(value).__name__ == "Tensor" and not value.requires_grad:
        return True
    is_fixed = getattr(getattr(type(value), "__dataclass_params__", None), "frozen", False)
    if isinstance(value, OUTSIDE) or not is_fixed:
        return False
    return all(map(is_plain, vars(value).values())) if hasattr(value, "__dict__") else False


@dataclass(frozen=True)
class Place:
    """Where a piece of state lies."""

    read: Callable[[], Any]
    write: Callable[[Any], None]


class Walk:
    """All pieces of state that can be reached from an object, by their paths.

    Attributes
    ----------
    places : dict from path to Place
    nodes : set of paths
        Of what was walked through.
    shared : list
        Objects that are walked through or not entered: a state may refer to them, and holds their number only.
    """

    def __init__(self, root: Any) -> None:
        self.places: dict[tuple[Any, ...], Place] = {}
        self.shared: list[Any] = []
        self.nodes: set[tuple[Any, ...]] = set()
        self._seen: set[int] = set()
        self._enter((), root)

    def _enter(self, path: tuple[Any, ...], value: Any) -> None:
        if isinstance(value, SIMPLE) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        self.shared.append(value)
        own = _of_generators(value)
        if own is not None:
            self.places[path] = own
        elif isinstance(value, OUTSIDE) or _is_elsewhere(value):
            return
        else:
            self.nodes.add(path)
            for name, part, write in _parts(value):
                if is_plain(part):
                    self.places[(*path, name)] = Place(partial(_part, value, name), write)
                else:
                    self._enter((*path, name), part)


def _is_elsewhere(value: Any) -> bool:
    """Estimators, engines and placements: what they hold is no state of a run."""
    pairs = (("get_params", "fit"), ("workers", "map"), ("round", "table"))
    return any(hasattr(value, one) and hasattr(value, two) for one, two in pairs)


def _parts(value: Any) -> Iterator[tuple[Any, Any, Callable[[Any], None]]]:
    """Names, values and setters of what an object is made of."""
    if isinstance(value, dict):
        for key in list(value):
            yield key, value[key], partial(value.__setitem__, key)
    elif isinstance(value, list | deque):
        for place, part in enumerate(value):
            yield place, part, partial(value.__setitem__, place)
    elif isinstance(value, tuple):
        for place, part in enumerate(value):
            yield place, part, _unset
    elif isinstance(value, FunctionType):
        for place, cell in enumerate(value.__closure__ or ()):
            if _filled(cell):
                yield place, cell.cell_contents, partial(setattr, cell, "cell_contents")
    elif isinstance(value, MethodType):
        yield "self", value.__self__, _unset
    elif isinstance(value, partial):
        yield "func", value.func, _unset
        yield "args", value.args, _unset
        yield "keywords", value.keywords, _unset
    elif type(value).__module__.split(".")[0] == "halfseen" or _is_of_tests(value):
        for name in list(getattr(value, "__dict__", ())):
            yield name, value.__dict__[name], partial(_set, value, name)


def _is_of_tests(value: Any) -> bool:
    return is_dataclass(value) or type(value).__name__ == "SimpleNamespace"


def _set(value: Any, name: str, new: Any) -> None:
    old = value.__dict__.get(name)
    if isinstance(old, list | deque) and type(new) is type(old):  # others may hold the same list
        old.clear()
        old.extend(new)
    else:
        value.__dict__[name] = new


def _unset(new: Any) -> None:
    """Elements of tuples cannot change."""


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _part(value: Any, name: Any) -> Any:
    if isinstance(value, FunctionType):
        return (value.__closure__ or ())[name].cell_contents
    if isinstance(value, MethodType):
        return value.__self__
    if isinstance(value, dict | list | tuple | deque):
        return value[name]
    return getattr(value, name) if isinstance(value, partial) else value.__dict__[name]


def _of_generators(value: Any) -> Place | None:
    """Objects of other libraries whose state can be read and set."""
    if isinstance(value, np.random.Generator):
        return Place(partial(_generator_state, value), partial(_set_generator, value))
    if type(value).__module__.split(".")[0] != "torch":
        return None
    if hasattr(value, "get_state"):
        return Place(lambda: value.get_state().numpy().copy(), partial(_set_torch, value, "set_state"))
    if hasattr(value, "load_state_dict"):
        return Place(value.state_dict, value.load_state_dict)
    if hasattr(value, "copy_"):
        return Place(lambda: value.detach().clone(), partial(_set_torch, value, "copy_"))
    return Place(lambda: None, _unset)


def _set_torch(value: Any, method: str, new: Any) -> None:
    import torch

    with torch.no_grad():
        getattr(value, method)(torch.as_tensor(new))


def _generator_state(rng: np.random.Generator) -> tuple[dict[str, Any], int]:
    seeds: Any = rng.bit_generator.seed_seq
    return dict(rng.bit_generator.state), int(getattr(seeds, "n_children_spawned", 0))


def _set_generator(rng: np.random.Generator, new: tuple[dict[str, Any], int]) -> None:
    state, n_spawned = new
    rng.bit_generator.state = state
    seeds: Any = rng.bit_generator.seed_seq
    if n_spawned > getattr(seeds, "n_children_spawned", n_spawned):
        seeds.spawn(n_spawned - seeds.n_children_spawned)


class RunState:
    """The state of a run: written as what differs from its beginning.

    Parameters
    ----------
    sweep, stops, watchers, start : object
        As the loop was given them.

    Notes
    -----
    Objects that were made after the beginning are not entered: a sweep must be able to make them again from what is
    written (or be a record of plain values).
    """

    def __init__(self, sweep: Any, stops: Any, watchers: Any, start: Any) -> None:
        self._start = start
        self._root = {"sweep": sweep, "stops": list(stops), "watchers": list(watchers)}
        walk = Walk({**self._root, "start": start})
        self._numbers = {id(value): number for number, value in enumerate(walk.shared)}
        self._shared = walk.shared
        own = Walk(self._root)
        self._nodes, self._begun = own.nodes, {path: self._digest(each.read()) for path, each in own.places.items()}

    def _digest(self, value: Any) -> int:
        if isinstance(value, np.ndarray):
            shape = zlib.crc32(repr(value.shape).encode())
            return zlib.crc32(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data, shape)
        return zlib.crc32(self._dumped(value))

    def _dumped(self, value: Any) -> bytes:
        file = io.BytesIO()
        _StateWriter(file, self._numbers).dump(value)
        return file.getvalue()

    def written(self, params: Any, rows: Any, reason: str | None) -> bytes:
        """Parameters, trace, reason and changes."""
        changed = {}
        for path, place in Walk(self._root).places.items():
            value = place.read()
            if path not in self._begun and path[:-1] not in self._nodes:
                continue
            if self._begun.get(path) != self._digest(value):
                changed[path] = value
        return self._dumped((params, rows, reason, changed))

    def restored(self, data: bytes) -> tuple[Any, Any, str | None]:
        """Change the sweep and the stops to what was written; gives parameters, trace and reason."""
        params, rows, reason, changed = _StateReader(io.BytesIO(data), self._shared).load()
        is_trace = isinstance(rows, list) and all(isinstance(row, tuple) and len(row) == 4 for row in rows)
        if not is_trace or not isinstance(reason, str | None) or not _is_alike(params, self._start):
            raise ValueError("it holds no parameters and trace of this fit")
        # shorter paths first: what they put in place may hold the longer ones
        for path in sorted(changed, key=len):
            places = Walk(self._root).places
            if path in places:
                places[path].write(changed[path])
            else:
                _set_new(self._root, path, changed[path])
        return params, rows, reason


def _is_alike(value: Any, start: Any) -> bool:
    """Whether parameters are of the kind that a loop began with: sizes may have changed since, such as ranks."""
    if type(value) is not type(start):
        return False
    if isinstance(start, np.ndarray):
        return bool(value.ndim == start.ndim and value.dtype == start.dtype)
    if isinstance(start, tuple):
        return len(value) == len(start) and all(map(_is_alike, value, start))
    return True


def _set_new(root: Any, path: tuple[Any, ...], value: Any) -> None:
    """An attribute or an element that the object did not have when it was built."""
    for name in path[:-1]:
        root = _part(root, name)
    if isinstance(root, dict):
        root[path[-1]] = value
    elif isinstance(root, list | deque):
        root.append(value)
    else:
        _set(root, path[-1], value)


class _StateWriter(pickle.Pickler):
    def __init__(self, file: Any, numbers: dict[int, int]) -> None:
        super().__init__(file, protocol=5)
        self._numbers = numbers

    def persistent_id(self, value: Any) -> int | None:
        number = self._numbers.get(id(value))
        return None if number is None or is_plain(value) else number

    def reducer_override(self, value: Any) -> Any:
        """Arrays keep the order of their axes in memory: the last bit of a dense product depends on it."""
        if type(value).__name__ == "Tensor" and not value.requires_grad:
            return _of_tensor(value)
        if type(value) is not np.ndarray or value.flags.forc or value.dtype.hasobject:
            return NotImplemented
        order = np.argsort([-abs(step) for step in value.strides], kind="stable")
        turned = value.transpose(order)
        lead = turned.strides[0] // value.itemsize if value.ndim == 2 and turned.strides[1] == value.itemsize else 0
        return _laid_out, (np.ascontiguousarray(turned), np.argsort(order).tolist(), lead)


def _laid_out(array: np.ndarray, order: list[int], lead: int) -> np.ndarray:
    """The array with its axes in this order, its lines ``lead`` numbers apart."""
    if lead > array.shape[-1]:
        wide = np.zeros((len(array), lead), array.dtype)
        wide[:, : array.shape[1]] = array
        array = wide[:, : array.shape[1]]
    return array.transpose(order)


def _of_tensor(value: Any) -> tuple[Any, ...]:
    """How a tensor is built again, sparse ones from their parts."""
    if str(value.layout) == "torch.sparse_csr":
        return _sparse_tensor, (value.crow_indices(), value.col_indices(), value.values(), tuple(value.shape))
    return _tensor, (value.detach().cpu().numpy(), str(value.device))


def _sparse_tensor(starts: Any, indices: Any, values: Any, shape: tuple[int, ...]) -> Any:
    import torch

    return torch.sparse_csr_tensor(starts, indices, values, shape)


def _tensor(array: np.ndarray, device: str) -> Any:
    """A tensor as it was: torch's own way of writing one reads whatever Python object stands in the file."""
    import torch

    return torch.from_numpy(np.array(array)).to(device)


def _is_record(kind: Any) -> bool:
    """Whether a class only holds values: building one does nothing."""
    return isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, tuple | Enum))


class _StateReader(pickle.Unpickler):
    def __init__(self, file: Any, shared: list[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: Any) -> Any:
        return self._shared[number]

    def find_class(self, module: str, name: str) -> Any:
        if name in NAMED.get(module, ()):
            return super().find_class(module, name)
        if module.split(".")[0] == "halfseen" and _is_record(kind := super().find_class(module, name)):
            return kind
        if module.split(".")[0] == "numpy" and hasattr(np, name):
            kind = getattr(np, name)
            if isinstance(kind, type) and issubclass(kind, np.generic):
                return kind
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint")
