"""Verdicts that follow from numbers: a rule is a comparison of named figures, kept with them and checked again."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from halfseen.reproduce.writing import as_plain, cell

# What a line is, and the verdicts that it can have, the best one first.
KINDS = {
    "paper": ("reproduced", "partly", "not reproduced", "not tested"),
    "target": ("reached", "missed"),
    "beyond": ("beyond",),
    "difference": ("stated",),
}
VERDICTS = tuple(verdict for verdicts in KINDS.values() for verdict in verdicts)
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": abs, "len": len, "max": max, "min": min, "sum": sum}


def holds(rule: str, figures: Mapping[str, Any]) -> bool:
    """Whether a rule holds for these figures.

    Parameters
    ----------
    rule : str
        Comparisons joined by ``and``, ``or``, ``not``; of figures, numbers, words, ``+ - * /`` and
        ``abs len max min sum``.
    figures : dict
        Numbers, words, or lists of numbers, by name.

    Raises
    ------
    ValueError
        If the rule reads no figure, names one that is not there, or is no comparison.

    Examples
    --------
    >>> holds("less >= 88", {"less": 54.2})
    False
    >>> holds("0.92 <= min(coverage) and max(coverage) <= 0.98", {"coverage": [0.94, 0.97]})
    True
    """
    if not names(rule):
        raise ValueError(f"the rule {rule!r} reads no figure; compare a figure by its name, as in 'error <= 0.1'")
    value = _value(ast.parse(rule, mode="eval").body, figures, rule)
    if not isinstance(value, bool):
        raise ValueError(f"the rule {rule!r} is no comparison; write what makes it hold, as in 'error <= 0.1'")
    return value


def names(rule: str) -> list[str]:
    """The figures that a rule reads, in the order of their first mention."""
    try:
        tree = ast.parse(rule, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"the rule {rule!r} cannot be read: {error.msg}") from error
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return list(dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called))


def verdict_of(kind: str, rule: str, partly: str, figures: Mapping[str, Any]) -> str:
    """The verdict of a paper's claim or of a target: what its rules say of its figures.

    Examples
    --------
    >>> verdict_of("paper", "less >= 88", "less > 0", {"less": 54.2})
    'partly'
    >>> verdict_of("target", "error <= 0.8", "", {"error": 0.73})
    'reached'
    """
    best, *others = KINDS[kind]
    if holds(rule, figures):
        return best
    if kind == "target":
        return others[0]
    return "partly" if partly and holds(partly, figures) else "not reproduced"


def kept(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as they are written down, with six digits: the verdict is that of the written numbers."""
    return {name: _kept(value) for name, value in as_plain(figures).items()}


def figures_text(figures: Mapping[str, Any]) -> str:
    """Figures in one cell of a table.

    Examples
    --------
    >>> figures_text({"less": 54.2, "cells": [1, 2]})
    'less = 54.2; cells = 1, 2'
    """
    return "; ".join(
        f"{name} = {', '.join(map(cell, value)) if isinstance(value, list) else cell(value)}"
        for name, value in figures.items()
    )


def rule_text(rule: str, partly: str = "") -> str:
    """Both rules in one cell of a table."""
    return f"{rule}; partly: {partly}" if partly else rule


def complaint(claim: Mapping[str, Any]) -> str:
    """What is wrong with a line of a record: its kind, its rule, its figures, or a verdict that they do not give.

    Returns
    -------
    str
        Empty where nothing is.
    """
    kind, verdict = claim.get("kind", ""), claim.get("verdict", "")
    if verdict not in KINDS.get(kind, ()):
        return f"the verdict {verdict!r} is none of the kind {kind!r}"
    if verdict in ("partly", "not reproduced", "not tested", "missed", "stated") and not claim.get("reason"):
        return f"{verdict!r} without a reason"
    if verdict == "not tested" or kind in ("beyond", "difference"):
        return ""
    if not claim.get("rule"):
        return "a verdict without its rule"
    if not claim.get("figures"):
        return "a verdict without figures"
    try:
        own = verdict_of(kind, claim["rule"], claim.get("partly", ""), claim["figures"])
    except ValueError as error:
        return str(error)
    return "" if own == verdict else f"written down as {verdict!r}, but its figures say {own!r}"


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(item) for item in value]
    return float(cell(value)) if isinstance(value, float) and value == value else value


def _value(node: ast.expr, figures: Mapping[str, Any], rule: str) -> Any:
    """One part of a rule; nothing but what is listed above is understood."""
    if isinstance(node, ast.BoolOp):
        parts = [_value(part, figures, rule) for part in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        value = _value(node.operand, figures, rule)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.Compare):
        sides = [_value(part, figures, rule) for part in (node.left, *node.comparators)]
        if all(type(op) in COMPARE for op in node.ops):
            pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
            return all(COMPARE[type(op)](a, b) for op, a, b in pairs)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return ARITHMETIC[type(node.op)](_value(node.left, figures, rule), _value(node.right, figures, rule))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        return FUNCTIONS[node.func.id](*(_value(part, figures, rule) for part in node.args))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in figures:
            raise ValueError(f"the rule {rule!r} reads {node.id!r}; the figures are {', '.join(figures) or 'none'}")
        return figures[node.id]
    raise ValueError(f"the rule {rule!r} holds {ast.unparse(node)!r}; it may only compare figures and numbers")
