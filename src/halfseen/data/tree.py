"""A model's attributes as a tree of plain JSON and a list of arrays, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

from halfseen.data.compressed import Compressed
from halfseen.data.observed import Observed
from halfseen.data.storable import REGISTRY
from halfseen.errors import shown

NATIVE = "?bBhHiIlLqQefd"


class Packer:
    """Turns values into JSON nodes; arrays go into `tensors` under running names."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self._packed: dict[int, tuple[Any, dict[str, Any]]] = {}

    def pack(self, value: Any, place: str) -> Any:
        """Return the node of a value; `place` says where it sits, for errors."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"kind": "float", "value": repr(value)}
        if isinstance(value, list):
            return [self.pack(item, f"{place}[{position}]") for position, item in enumerate(value)]
        if type(value) is tuple:
            return {"kind": "tuple", "items": self.pack(list(value), place)}
        if isinstance(value, Mapping):
            items = [[self.pack(key, place), self.pack(item, f"{place}[{key!r}]")] for key, item in value.items()]
            return {"kind": "dict", "items": items}
        if isinstance(value, np.dtype):
            return {"kind": "dtype", "value": value.str}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, place)
        if isinstance(value, Observed):
            parts = {"by_rows": value.by_rows, "row_labels": value.row_labels, "col_labels": value.col_labels}
            return {"kind": "observed", **{name: self.pack(part, f"{place}.{name}") for name, part in parts.items()}}
        cls = type(value)
        if is_dataclass(value) and (REGISTRY.get(cls.__name__) is cls or cls is Compressed):
            state = {
                field.name: self.pack(getattr(value, field.name), f"{place}.{field.name}") for field in fields(cls)
            }
            return {"kind": "dataclass", "class": cls.__name__, "module": cls.__module__, "fields": state}
        raise ValueError(
            f"{place} = {shown(value)} cannot be stored: {cls.__name__} is neither plain data, an array nor a storable "
            "dataclass; give the estimator an int or None for random_state, and names instead of objects. A class of "
            "your own (a loss, say) must be a frozen dataclass under the decorator halfseen.data.storable.storable "
            "(from halfseen.data.storable import storable), in the program that loads the file too"
        )

    def _array(self, value: np.ndarray | np.generic, place: str) -> dict[str, Any]:
        known = self._packed.get(id(value))
        if known is not None:
            return known[1]
        array = np.asarray(value)
        node: dict[str, Any] = {
            "kind": "scalar" if isinstance(value, np.generic) else "array",
            "dtype": array.dtype.str,
        }
        if array.dtype.kind in "UO":
            node |= self._text(array, place)
        elif array.dtype.kind in "Mm":
            node["name"] = self._keep(array.view(np.int64))
        elif array.dtype.char in NATIVE:
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
            # The memory order decides the last bits of a matrix product: it is kept.
            if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous:
                node["order"] = "F"
                array = array.T
            node["name"] = self._keep(array)
        else:
            raise ValueError(f"{place} cannot be stored: arrays of {array.dtype} are not supported")
        self._packed[id(value)] = (value, node)
        return node

    def _keep(self, array: np.ndarray) -> str:
        name = f"a{len(self.tensors):05d}"
        self.tensors[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name

    def _text(self, array: np.ndarray, place: str) -> dict[str, Any]:
        """Store text as UTF-8 bytes and the length of each item."""
        items = array.ravel().tolist()
        other = next((item for item in items if not isinstance(item, str)), None)
        if other is not None:
            raise ValueError(
                f"{place} cannot be stored: it holds {shown(other)}; arrays of objects can be stored only if all are "
                "text. Turn labels into text or integers before fitting"
            )
        parts = [item.encode("utf-8", "surrogatepass") for item in items]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        data = np.frombuffer(b"".join(parts), dtype=np.uint8)
        return {"text": self._keep(data), "lengths": self._keep(lengths), "shape": list(array.shape)}


class Unpacker:
    """Turns nodes back into values; anything unexpected is a ValueError."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors
        self._arrays: dict[str, Any] = {}

    def unpack(self, node: Any) -> Any:
        """Return the value of a node."""
        if isinstance(node, list):
            return [self.unpack(item) for item in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("kind")
        if kind == "float":
            return float(node["value"])
        if kind == "tuple":
            return tuple(self.unpack(node["items"]))
        if kind == "dict":
            return {self.unpack(key): self.unpack(item) for key, item in node["items"]}
        if kind == "dtype":
            return np.dtype(node["value"])
        if kind in ("array", "scalar"):
            return self._array(node)
        if kind == "observed":
            return Observed(*(self.unpack(node[name]) for name in ("by_rows", "row_labels", "col_labels")))
        if kind == "dataclass":
            return self._dataclass(node)
        raise ValueError(f"unknown kind of value {kind!r}")

    def _array(self, node: dict[str, Any]) -> Any:
        key = str(node.get("name", node.get("text")))
        if key not in self._arrays:
            self._arrays[key] = self._read(node)
        array = self._arrays[key]
        return array[()] if node["kind"] == "scalar" else array

    def _read(self, node: dict[str, Any]) -> np.ndarray:
        dtype = np.dtype(node["dtype"])
        if "text" in node:
            data = self._tensors[node["text"]].tobytes()
            ends = np.cumsum(self._tensors[node["lengths"]]).tolist()
            starts = [0, *ends[:-1]]
            items = [data[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=False)]
            flat = np.empty(len(items), dtype=object)
            flat[:] = items
            return flat.astype(dtype).reshape(node["shape"])
        array = self._tensors[node["name"]]
        if dtype.kind in "Mm":
            return array.view(dtype)
        return array.T if node.get("order") == "F" else array

    def _dataclass(self, node: dict[str, Any]) -> Any:
        cls = Compressed if node["class"] == "Compressed" else REGISTRY.get(node["class"])
        if cls is None and str(node["module"]).startswith("halfseen."):
            import_module(node["module"])  # registers its classes
            cls = REGISTRY.get(node["class"])
        if cls is None:
            raise ValueError(f"it holds a {node['class']!r}, which this halfseen does not know")
        state = {name: self.unpack(item) for name, item in node["fields"].items()}
        known = {field.name for field in fields(cls)}
        if set(state) - known:
            raise ValueError(f"{node['class']} has unknown fields {sorted(set(state) - known)}")
        made = cls(**{field.name: state[field.name] for field in fields(cls) if field.init and field.name in state})
        for field in fields(cls):
            if not field.init and field.name in state:
                object.__setattr__(made, field.name, state[field.name])
        return made
