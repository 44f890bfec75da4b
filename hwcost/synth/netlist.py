"""Carry chains in netlists of Yosys: what place and route adds to their ends, and how to spare some of it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

Chain = tuple[str, str, str]
"""A carry cell, the port where its carry enters, and the one where it leaves."""


OPEN = "x"
"""Bit of a cell that nothing is connected to, as Yosys writes it."""


def chain_ends(module: Mapping[str, Any], chain: Chain) -> int:
    """Carry cells that place and route adds: one where a chain begins, and one wherever a carry is used by other logic.

    Args:
        module: of a netlist, as `write_json` has it, without the carries that nobody uses (`trimmed`).
        chain: the carry cell.

    Source: ecp5/pack.cc of nextpnr 0.11, split_carry_chain.
    """
    kind, enters, leaves = chain
    carries = [cell["connections"] for cell in module["cells"].values() if cell["type"] == kind]
    made = {bit for one in carries for bit in one.get(leaves, ()) if bit != OPEN}
    handed = Counter(bit for one in carries for bit in one.get(enters, ()))
    readers = _readers(module)
    begun = sum(bit not in made for bit, count in handed.items() for _ in range(count))
    return begun + sum(readers[bit] > handed[bit] or handed[bit] > 1 for bit in made)


def trimmed(module: dict[str, Any], chain: Chain) -> None:
    """Disconnect the carries that nobody uses: place and route would build a cell to lead each of them out."""
    kind, _, leaves = chain
    readers = _readers(module)
    for cell in module["cells"].values():
        if cell["type"] == kind and not any(readers[bit] for bit in cell["connections"].get(leaves, ())):
            cell["connections"][leaves] = [OPEN]


def _readers(module: Mapping[str, Any]) -> Counter[object]:
    """Count the inputs of cells, and outputs of the module, that each net has."""
    found: Counter[object] = Counter()
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                found.update(bits)
    for port in module["ports"].values():
        if port["direction"] == "output":
            found.update(port["bits"])
    return found
