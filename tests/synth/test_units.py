"""The RTL of every kind of block equals integer arithmetic on random numbers, at every width from 1 to 8."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import rtl_simulation as simulation
from rtl_simulation import BENCHES, WrongCircuit, prove

from hwcost.models.calibration.corpus import KINDS, Unit
from hwcost.synth.design import GROUPS
from hwcost.synth.random_products import accumulator
from hwcost.synth.units import BUILDERS


def test_every_kind_is_built_and_simulated() -> None:
    assert set(BUILDERS) == set(BENCHES) == set(KINDS) - {"unit"}  # a whole unit is only read from publications


@pytest.mark.parametrize("weight_bits", range(1, 9))
@pytest.mark.parametrize("input_bits", range(1, 9))
def test_matrix_vector_units(weight_bits: int, input_bits: int) -> None:
    random, structure = Random(f"{weight_bits} {input_bits}"), ("lut", "dsp")[(weight_bits + input_bits) % 2]
    weight = random.choice([f"INT{weight_bits}", f"NARROW{weight_bits}", f"UINT{weight_bits}"][weight_bits == 1 :])
    weight = random.choice(["BIPOLAR", "UINT1"]) if weight_bits == 1 else weight
    inputs = random.choice([f"UINT{input_bits}", f"INT{input_bits}"]) if input_bits > 1 else "UINT1"
    pe, simd = random.randint(1, 4), random.randint(1, 5)
    output = accumulator(weight, inputs, 3 * simd)
    assert prove(Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=pe, simd=simd, structure=structure))


@pytest.mark.parametrize("weight", ["BIPOLAR", "TERNARY", "INT3"])
@pytest.mark.parametrize("inputs", ["BIPOLAR", "UINT1", "INT4"])
@pytest.mark.parametrize("structure", ["lut", "dsp"])
def test_bipolar_and_ternary_operands(weight: str, inputs: str, structure: str) -> None:
    if weight == inputs == "BIPOLAR":
        structure = "lut"  # an XNOR needs no DSP slice
    output = accumulator(weight, inputs, 12)
    assert prove(Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=2, simd=4, structure=structure))


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"matvec", "dsp", "block_ram", "deep_ram", "ultra_ram"}))
@pytest.mark.parametrize("draw", range(4))
def test_units_of_the_corpus(group: str, draw: int) -> None:
    random = Random(f"{group} {draw}")
    while True:
        unit = GROUPS[group](random)
        cells = [size for numbers in unit.numbers for size in numbers]
        if max(cells, default=0) <= 64 and not (unit.kind == "window" and unit.numbers[1][0] > 12):
            break
    assert prove(unit, vectors=4)


@pytest.mark.parametrize("bits", [1, 2, 3, *(pytest.param(bits, marks=pytest.mark.slow) for bits in range(4, 9))])
def test_streams_at_every_width(bits: int) -> None:
    units = [
        Unit(kind="adder", input=f"UINT{bits}", output="INT4", pe=2),
        Unit(kind="pool", input=f"UINT{bits}", output=f"UINT{bits + 2}", structure="sum", geometry="2x2", pe=2),
        Unit(kind="pool", input=f"UINT{bits}", output=f"UINT{bits}", structure="max", geometry="2x2", pe=2),
        Unit(kind="saturate", input="INT9", output=f"UINT{bits}"),
        Unit(kind="window", input=f"UINT{bits}", structure="serial", geometry="2 5x5 3x3 1x1 1x1 0x0"),
        Unit(kind="constant", input=f"UINT{bits}", matrix="3 -5 0 7;0 0 0 0;-1 -2 6 1;1 16 0 0"),
    ]
    assert all(prove(unit, vectors=5) for unit in units)


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="memory", structure="bram18", geometry="133x7"),
        Unit(kind="memory", structure="uram", geometry="150x9"),
        Unit(kind="memory", structure="spram", geometry="45x6"),
        Unit(kind="control", structure="loader", geometry="5x70x3"),
        Unit(kind="control", structure="loader", geometry="9x7x1"),
        Unit(kind="matvec", weight="UINT27", input="INT4", output="INT34", structure="dsp"),  # no room for a sign
        Unit(kind="thresholds", input="INT8", output="UINT2", structure="parallel", geometry="130"),
        Unit(kind="thresholds", input="UINT6", output="UINT4", structure="search", geometry="30"),
        Unit(kind="window", input="UINT4", simd=2, structure="serial", geometry="4 7x8 2x3 2x2 1x1 1x0"),
        Unit(kind="window", input="UINT4", simd=4, structure="serial", geometry="4 7x9 3x2 2x1 2x3 0x0"),
        pytest.param(
            Unit(kind="window", input="UINT4", simd=2, structure="parallel", geometry="4 17x19 3x3 1x2 1x1 1x1"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_block_rams_loaders_strides_dilations_and_padding(unit: Unit) -> None:
    assert prove(unit)


def test_a_wrong_circuit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a unit built for another matrix."""
    unit = Unit(kind="constant", input="UINT4", matrix="3 -5;1 2")
    right = simulation.build(replace(unit, matrix="3 -4;1 2"))
    monkeypatch.setattr(simulation, "build", lambda unit, family: right)
    with pytest.raises(WrongCircuit, match="instead of"):
        prove(unit)
