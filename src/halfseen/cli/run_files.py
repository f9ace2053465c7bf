"""The JSON files of a run, read back: whatever the commands use of them is of the kind that a fit writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from halfseen.cli.options import Duplicates, JudgeOptions, TableOptions
from halfseen.errors import shown

# Numbers beyond this are none that a fit writes; Python's whole numbers have no end.
LARGEST = 1e308
Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    # what is not a number (NaN) is not below anything; a fit writes it as null
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check, length: int | None = None) -> Check:
    return lambda value: isinstance(value, list) and (length is None or len(value) == length) and all(map(check, value))


def _mapping_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _mapping(needed: Mapping[str, Check], others: Mapping[str, Check] | None = None) -> Check:
    """A mapping that has the needed keys, and whose other known keys are as they should be."""
    known = {**needed, **(others or {})}
    return lambda value: (
        isinstance(value, dict)
        and needed.keys() <= value.keys()
        and all(known[key](part) for key, part in value.items() if key in known)
    )


def _options(kind: type) -> Check:
    """The fields of a group of options, as their annotations say."""
    return _mapping({}, {name: _of_type(hint) for name, hint in get_type_hints(kind).items()})


def _of_type(hint: Any) -> Check:
    if hint is Duplicates:
        return lambda value: value in {rule.value for rule in Duplicates}
    checks = {str: _text, int: _count, float: _number, bool: lambda value: isinstance(value, bool)}
    parts = getattr(hint, "__args__", (hint,))
    return lambda value: any(value is None if part is type(None) else checks[part](value) for part in parts)


def _any_of(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _is_choice(value: Any) -> bool:
    """Ranks and their losses go together."""
    parts = {"ranks": _list_of(_count), "losses": _list_of(_optional(_number))}
    if not _mapping({}, parts)(value):
        return False
    return "ranks" not in value or len(value["ranks"]) == len(value.get("losses", ()))


def _is_bins(value: Any) -> bool:
    """Four lists of one length."""
    names = ("predicted", "mean", "low", "high")
    return _mapping(dict.fromkeys(names, _list_of(_number)))(value) and len({len(value[name]) for name in names}) == 1


def _is_seen(value: Any) -> bool:
    """Shape, and shares of cells that were seen in a grid whose lines have one length."""
    parts = {"shape": _list_of(_count, 2), "grid": _list_of(_list_of(_number))}
    return _mapping(parts)(value) and len({len(line) for line in value["grid"]}) == 1


SIDE = _mapping({"file": _text, "key": _optional(_text)})
FIGURES = _list_of(lambda row: _mapping({"model": _text, "rmse": _number})(row) and all(
    _optional(_number)(number) for name, number in row.items() if name != "model"
))  # fmt: skip
RECORD: dict[str, Check] = {
    "method": _text, "class": _text, "command": _text, "table": _options(TableOptions),
    "judge": _options(JudgeOptions), "figures": FIGURES, "choice": _is_choice,
    "options": _mapping({}, {"source": _optional(_text)}), "seconds": _mapping_of(_number),
    "rank": _any_of(_count, _text, _list_of(_count), _mapping_of(_count)),
    "versions": _mapping_of(_text), "warnings": _list_of(_text), "n_fitted": _count, "n_judged": _count,
    "features": _mapping({}, {"row": SIDE, "col": SIDE}),
    "intervals": _mapping({}, dict.fromkeys(("coverage", "level", "mean_width"), _optional(_number))),
    "data": _mapping({}, {
        "source": _any_of(_text, _list_of(_text)), "n_entries": _count, "n_rows": _count, "n_cols": _count,
        "values": _optional(_list_of(_number, 2)), "sources": _mapping_of(_mapping({}, {"n_entries": _count})),
    }),
}  # fmt: skip
NEEDED = ("method", "data", "table")
DETAILS: dict[str, Check] = {"held_out": _is_bins, "seen": _is_seen, "image": _optional(_list_of(_count, 2))}


def read_record(path: Path) -> dict[str, Any]:
    """What ``run.json`` says.

    Raises
    ------
    ValueError
        Naming the file and the first fact that is not of its kind.
    """
    record = _read(path, RECORD)
    lacking = [name for name in NEEDED if name not in record]
    if lacking:
        raise ValueError(f"{path} is damaged: it does not say {lacking[0]!r}; fit again")
    return record


def read_details(path: Path) -> dict[str, Any]:
    """What ``details.json`` says; nothing in runs of older versions.

    Raises
    ------
    ValueError
        As `read_record`.
    """
    return _read(path, DETAILS) if path.is_file() else {}


def _read(path: Path, checks: Mapping[str, Check]) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}; fit again") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{path} is damaged: it is no JSON object; fit again")
    for name, check in checks.items():
        if name in facts and facts[name] is not None and not check(facts[name]):
            raise ValueError(f"{path} is damaged: {name} is {shown(str(facts[name]))}, which no fit writes; fit again")
    return {name: fact for name, fact in facts.items() if fact is not None or name not in checks}
