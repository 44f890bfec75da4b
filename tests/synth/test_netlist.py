"""The ends of carry chains: where place and route adds a cell, and where it need not."""

from __future__ import annotations

from typing import Any

from hwcost.synth.netlist import OPEN, chain_ends, trimmed

CHAIN = ("CCU2C", "CIN", "COUT")


def carry(enters: object, leaves: object) -> dict[str, Any]:
    return {
        "type": "CCU2C",
        "port_directions": {"CIN": "input", "COUT": "output"},
        "connections": {"CIN": [enters], "COUT": [leaves]},
    }


def module(*cells: dict[str, Any], out: tuple[object, ...] = ()) -> dict[str, Any]:
    ports = {"y": {"direction": "output", "bits": list(out)}, "a": {"direction": "input", "bits": [1]}}
    return {"ports": ports, "cells": {f"cell{index}": cell for index, cell in enumerate(cells)}}


def test_a_chain_begins_with_a_cell_and_ends_with_one_where_its_carry_is_used() -> None:
    assert chain_ends(module(carry("0", 2), carry(2, 3)), CHAIN) == 1
    assert chain_ends(module(carry("0", 2), carry(2, 3), out=(3,)), CHAIN) == 2
    assert chain_ends(module(carry("0", 2), carry(2, 3), out=(2,)), CHAIN) == 2  # tapped half way
    lut = {"type": "LUT4", "port_directions": {"A": "input"}, "connections": {"A": [2]}}
    assert chain_ends(module(carry("0", 2), lut), CHAIN) == 2
    assert chain_ends(module(carry(1, 2), carry("0", 3)), CHAIN) == 2  # two chains
    assert chain_ends(module(lut), CHAIN) == 0


def test_a_carry_that_nobody_uses_is_disconnected() -> None:
    found = module(carry("0", 2), carry(2, 3), carry("0", 4), out=(4,))
    ends = chain_ends(found, CHAIN)
    trimmed(found, CHAIN)
    assert [cell["connections"]["COUT"] for cell in found["cells"].values()] == [[2], [OPEN], [4]]
    assert chain_ends(found, CHAIN) == ends == 3
