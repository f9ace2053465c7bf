"""The written-out list of public names says what the package has."""

from __future__ import annotations

import halfseen as hs


def test_the_list_of_public_names_holds_every_public_name_and_no_other():
    assert sorted(hs.__all__) == sorted(["__version__", *hs._PUBLIC, *hs._ROOMS])
    assert len(set(hs.__all__)) == len(hs.__all__)
