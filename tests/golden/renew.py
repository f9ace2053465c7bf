"""Take new golden numbers of some cases: ``python tests/golden/renew.py CASE...``.

A case that was recorded before is renewed only if ``CHANGED`` in ``golden_cases.py`` says why its numbers change; a
case that is new is recorded. Records without a case go. All other numbers stay as they are in the file.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches

from golden_cases import CASES, CHANGED
from golden_readings import numbers
from golden_table import FILE, here, moved, one_thread, read, write


def refusal(name: str, recorded: dict) -> str | None:
    """Why a case may not be renewed."""
    if name not in CASES:
        close = get_close_matches(name, CASES, n=3, cutoff=0.5)
        return f"no case {name!r}; close: {', '.join(map(repr, close)) or 'none'}"
    if name in recorded and name not in CHANGED:
        return f"{name!r} is recorded; say in CHANGED (golden_cases.py) what changes its numbers on purpose"
    return None


def main(names: list[str]) -> int:
    if not names:
        example = next(iter(CASES))
        sys.stderr.write(f"usage: python tests/golden/renew.py CASE...\n{len(CASES)} cases, such as {example!r}\n")
        return 2
    table = read() if FILE.exists() else {"places": [], "cases": {}}
    recorded, place = table["cases"], here()
    refusals = [reason for name in names if (reason := refusal(name, recorded))]
    if refusals:
        sys.stderr.write("\n".join(refusals) + "\n")
        return 2
    if place not in table["places"]:
        table["places"].append(place)
    for name in names:
        with one_thread():
            now = numbers(CASES[name])
        entry = {"place": table["places"].index(place), "numbers": now}
        if name in recorded:
            print(f"{name}: " + ("; ".join(moved(recorded[name]["numbers"], now, 0.0)) or "the same numbers"))
            entry = {"place": entry["place"], "renewed": True, "numbers": now}
        else:
            print(f"{name}: recorded")
        recorded[name] = entry
    table["cases"] = {name: recorded[name] for name in CASES if name in recorded}
    write(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
