"""A model's attributes as a tree of plain JSON and a list of arrays, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

from halfseen.data.compressed import Compressed
from halfseen.data.kinds import fits, hints_of
from halfseen.data.observed import Observed
from halfseen.data.storable import REGISTRY, find_class
from halfseen.errors import shown

NATIVE = "?bBhHiIlLqQefd"
# Where a class of a model may live: packages that define what models hold, and nothing that runs when it is imported.
MODULES = re.compile(r"halfseen(\.[a-z][a-z0-9_]*)+")
NO_MODULES = ("cli", "reproduce")
# No model nests deeper than some ten levels.
DEEPEST = 60
# Fixed-width text may take this many times the bytes of the text itself (or 16 MiB) before it is no honest array.
WIDEST = 256


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
            parts: dict[str, Any] = {
                "by_rows": value.by_rows,
                "row_labels": value.row_labels,
                "col_labels": value.col_labels,
            }
            more = {"trials": value.trials, "notes": list(value.notes)}
            parts |= {name: part for name, part in more.items() if part is not None and len(part)}
            return {"kind": "observed", **{name: self.pack(part, f"{place}.{name}") for name, part in parts.items()}}
        cls = type(value)
        if is_dataclass(value) and (REGISTRY.get(cls.__name__) is cls or cls is Compressed):
            state = {
                field.name: self.pack(getattr(value, field.name), f"{place}.{field.name}") for field in fields(cls)
            }
            return {"kind": "dataclass", "class": cls.__name__, "module": cls.__module__, "fields": state}
        if hasattr(value, "get_params") and find_class(cls.__name__) is cls:  # a model inside another
            parts = {name: self.pack(part, f"{place}.{name}") for name, part in kept_of(value).items()}
            return {"kind": "estimator", "class": cls.__name__, "state": parts}
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
        if other is not None and all(isinstance(item, tuple) for item in items):
            return {"tuples": [self.pack(item, place) for item in map(_plain_parts, items)], "shape": list(array.shape)}
        if other is not None:
            raise ValueError(
                f"{place} cannot be stored: it holds {shown(other)}; arrays of objects can be stored only if all are "
                "text or tuples of text and numbers. Turn labels into text or integers before fitting"
            )
        parts = [item.encode("utf-8", "surrogatepass") for item in items]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        data = np.frombuffer(b"".join(parts), dtype=np.uint8)
        return {"text": self._keep(data), "lengths": self._keep(lengths), "shape": list(array.shape)}


def _plain_parts(label: tuple[Any, ...]) -> tuple[Any, ...]:
    """A tuple of plain values; dates become NumPy's, which have a node."""
    items = [part.item() if isinstance(part, np.generic) else part for part in label]
    return tuple(np.datetime64(item) if hasattr(item, "isoformat") else item for item in items)


class Unpacker:
    """Turns nodes back into values; anything unexpected is a ValueError.

    The nodes come from a file that anybody may have written: names, kinds, shapes and lengths are compared with each
    other and with the arrays before they are used, and only registered dataclasses are ever made.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors
        self._arrays: dict[str, Any] = {}
        self._depth = 0

    def unpack(self, node: Any) -> Any:
        """Return the value of a node."""
        if not isinstance(node, dict | list):
            return node
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"its values are nested more than {DEEPEST} levels deep")
        value = [self.unpack(item) for item in node] if isinstance(node, list) else self._of_kind(node)
        self._depth -= 1
        return value

    def _of_kind(self, node: dict[str, Any]) -> Any:
        kind = node.get("kind")
        if kind == "float":
            return _float(node["value"])
        if kind == "tuple":
            return tuple(_list(self.unpack(node["items"]), "a tuple"))
        if kind == "dict":
            return {self.unpack(key): self.unpack(item) for key, item in _pairs(node["items"])}
        if kind == "dtype":
            return _dtype(node["value"])
        if kind in ("array", "scalar"):
            return self._array(node)
        if kind == "observed":
            return self._observed(node)
        if kind == "dataclass":
            return self._dataclass(node)
        if kind == "estimator":
            return self.estimator(node.get("class"), node.get("state"))
        raise ValueError(f"unknown kind of value {kind!r}")

    def estimator(self, name: Any, nodes: Any) -> Any:
        """The estimator of a class name and the nodes of its attributes."""
        cls = find_class(name)
        if cls is None:
            raise ValueError(f"it holds a {shown(name)}, which this halfseen does not know")
        if not isinstance(nodes, dict):
            raise ValueError(f"its attributes are {shown(nodes)}")
        state = {key: self.unpack(node) for key, node in nodes.items()}
        check_state(cls, state)
        model = cls.__new__(cls)
        vars(model).update(state)
        return model

    def _observed(self, node: dict[str, Any]) -> Observed:
        by_rows, rows, cols = (self.unpack(node[name]) for name in ("by_rows", "row_labels", "col_labels"))
        notes = _list(self.unpack(node.get("notes", [])), "notes")
        if not all(isinstance(note, str) for note in notes):
            raise ValueError("the notes of a table must be text")
        table, trials = Observed(by_rows, rows, cols, tuple(notes)), self.unpack(node.get("trials"))
        if trials is not None and np.shape(trials) != table.values.shape:
            raise ValueError(f"a table of {table.n_entries} entries has trials of shape {np.shape(trials)}")
        return table._told((), trials)

    def _array(self, node: dict[str, Any]) -> Any:
        if "tuples" in node:
            return self._tuples(node)
        key = str(node.get("name", node.get("text")))
        if key not in self._arrays:
            self._arrays[key] = (node.get("dtype"), self._read(node))
        dtype, array = self._arrays[key]
        if dtype != node.get("dtype"):
            raise ValueError(f"array {key!r} is said to be {dtype} and {node.get('dtype')}")
        if node["kind"] == "array":
            return array
        if array.ndim:
            raise ValueError(f"a number is stored as an array of shape {array.shape}")
        return array[()]

    def _read(self, node: dict[str, Any]) -> np.ndarray:
        dtype = _dtype(node["dtype"])
        if "text" in node:
            return self._text(node, dtype)
        array = self._tensor(node["name"])
        if dtype.kind in "Mm":
            if array.dtype != np.int64:
                raise ValueError(f"dates are stored as {array.dtype}; needed: int64")
            return array.view(dtype)
        if array.dtype != dtype.newbyteorder("="):
            raise ValueError(f"an array of {dtype} is stored as {array.dtype}")
        return array.T if node.get("order") == "F" else array

    def _tensor(self, name: Any) -> np.ndarray:
        if not isinstance(name, str) or name not in self._tensors:
            raise ValueError(f"its array {name!r} is missing")
        return self._tensors[name]

    def _text(self, node: dict[str, Any], dtype: np.dtype) -> np.ndarray:
        """Text from UTF-8 bytes and the length of each item."""
        raw, lengths = self._tensor(node["text"]), self._tensor(node["lengths"])
        if raw.dtype != np.uint8 or raw.ndim != 1 or lengths.dtype != np.int64 or lengths.ndim != 1:
            raise ValueError("text must be stored as bytes and the length of each item")
        if (lengths < 0).any() or (lengths > len(raw)).any() or int(lengths.sum()) != len(raw):
            raise ValueError(f"the lengths of its {len(lengths)} texts do not add up to the {len(raw)} bytes there are")
        if dtype.kind not in "UO":
            raise ValueError(f"text is said to be {dtype}")
        if dtype.kind == "U" and dtype.itemsize * len(lengths) > max(WIDEST * (len(raw) + len(lengths)), 1 << 24):
            raise ValueError(
                f"{len(lengths)} texts of {len(raw)} bytes are said to be {dtype.itemsize // 4} letters wide"
            )
        shape, data = _shape(node.get("shape"), len(lengths)), raw.tobytes()
        ends = np.cumsum(lengths).tolist()
        flat = np.empty(len(lengths), dtype=object)
        for place, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=False)):
            flat[place] = data[start:end].decode("utf-8", "surrogatepass")
        return flat.astype(dtype).reshape(shape)

    def _tuples(self, node: dict[str, Any]) -> np.ndarray:
        items = _list(self.unpack(node["tuples"]), "tuples")
        flat = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            if not isinstance(item, tuple):
                raise ValueError(f"{shown(item)} is no tuple")
            flat[place] = tuple(part.item() if isinstance(part, np.datetime64) else part for part in item)
            hash(flat[place])
        return flat.reshape(_shape(node.get("shape"), len(items)))

    def _dataclass(self, node: dict[str, Any]) -> Any:
        cls = _class_of(node)
        stored = node["fields"]
        if not isinstance(stored, dict):
            raise ValueError(f"the fields of {node['class']} are {shown(stored)}")
        state = {name: self.unpack(item) for name, item in stored.items()}
        known = {field.name for field in fields(cls)}
        if set(state) - known:
            raise ValueError(f"{node['class']} has unknown fields {sorted(set(state) - known)}")
        check_kinds(cls, state)
        built = cls(**{field.name: state[field.name] for field in fields(cls) if field.init and field.name in state})
        for field in fields(cls):
            if not field.init and field.name in state:
                object.__setattr__(built, field.name, state[field.name])
        return built


def check_kinds(cls: type, state: Mapping[str, Any]) -> None:
    """Refuse attributes that are not of the kind that the class says."""
    for name, hint in hints_of(cls).items():
        if name in state and not fits(state[name], hint):
            wanted = getattr(hint, "__name__", hint)
            raise ValueError(f"{cls.__name__}.{name} is {shown(state[name])}; needed: {wanted}")


def kept_of(model: Any) -> Mapping[str, Any]:
    """The attributes of a model that a file keeps: all, or those that it names itself."""
    kept: Mapping[str, Any] = model._to_save() if hasattr(model, "_to_save") else vars(model)
    return kept


def check_state(cls: Any, state: dict[str, Any]) -> None:
    """Refuse attributes that are none of the class: they would hide its methods, or are not of the kind it says."""
    for name in state:
        if not name.isidentifier() or name.startswith("__") or callable(getattr(cls, name, None)):
            raise ValueError(f"{cls.__name__} cannot have an attribute {name!r}")
    for name in getattr(cls, "_get_param_names", list)():
        if name not in state:
            raise ValueError(f"{cls.__name__} lacks its parameter {name!r}")
    check_kinds(cls, state)
    shape = state.get("observed_shape_")
    if shape is None:
        return
    # no rows: a model that keeps sums over them only
    if not (
        isinstance(shape, tuple) and len(shape) == 2 and all(type(n) is int and n >= 0 for n in shape) and shape[1]
    ):
        raise ValueError(f"{cls.__name__}.observed_shape_ is {shown(shape)}; needed: two positive whole numbers")
    for name, length in (("row_labels_", shape[0]), ("col_labels_", shape[1])):
        labels = state.get(name)
        if labels is not None and np.shape(labels) != (length,):
            raise ValueError(f"{cls.__name__}.{name} has shape {np.shape(labels)}; the table has {length}")
    if state.get("n_features_in_", shape[1]) != shape[1]:
        raise ValueError(f"{cls.__name__}.n_features_in_ is {shown(state['n_features_in_'])}; the table has {shape[1]}")


def _class_of(node: dict[str, Any]) -> Any:
    """The registered dataclass of a node; a module is imported for it only where such classes live."""
    name, module = node.get("class"), node.get("module")
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError(f"it holds a {name!r} of {module!r}, which are no names")
    if name == "Compressed":
        return Compressed
    if name not in REGISTRY and MODULES.fullmatch(module) and module.split(".")[1] not in NO_MODULES:
        try:
            import_module(module)  # registers its classes
        except ImportError as error:
            raise ValueError(f"it holds a {name!r} of {module}, which cannot be imported here: {error}") from error
    cls = REGISTRY.get(name)
    if cls is None or not is_dataclass(cls):
        raise ValueError(f"it holds a {name!r}, which this halfseen does not know")
    return cls


def _float(text: Any) -> float:
    if not isinstance(text, str) or len(text) > 40:
        raise ValueError(f"{shown(text)} is no number")
    return float(text)


def _dtype(text: Any) -> np.dtype:
    """A plain dtype; structured ones, and those of a memory of their own, are in no model."""
    if not isinstance(text, str) or not re.fullmatch(r"[<>=|]?[biufmMUO?]\d{0,6}(\[\d{0,4}[A-Za-z]{1,7}\])?", text):
        raise ValueError(f"{shown(text)} is no kind of array")
    try:
        return np.dtype(text)
    except TypeError as error:
        raise ValueError(f"{shown(text)} is no kind of array") from error


def _shape(shape: Any, length: int) -> tuple[int, ...]:
    sizes = _list(shape, "a shape")
    if len(sizes) > 8 or not all(type(size) is int and size >= 0 for size in sizes) or math.prod(sizes) != length:
        raise ValueError(f"{length} items cannot have the shape {shown(shape)}")
    return tuple(sizes)


def _list(items: Any, what: str) -> list[Any]:
    if not isinstance(items, list):
        raise ValueError(f"{what} is stored as {shown(items)}")
    return items


def _pairs(items: Any) -> list[Any]:
    if not all(isinstance(item, list) and len(item) == 2 for item in _list(items, "a dictionary")):
        raise ValueError("a dictionary must be stored as pairs")
    return items
