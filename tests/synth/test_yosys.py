"""Yosys: what is counted, how arithmetic is mapped, what is remembered, and how it fails."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

pytest.importorskip(
    "amaranth", reason="amaranth is not installed: nothing was synthesized; pip install 'hwcost[synth]'"
)

from hwcost.errors import BadOption
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold, place
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas import dsp, memory
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.unrolled.small_table import Bits, luts
from hwcost.quant import QuantLinear, const_weight
from hwcost.synth.measure import Laboratory
from hwcost.synth.random_products import matrix
from hwcost.synth.units import build
from hwcost.synth.verify import verify
from hwcost.synth.yosys import INSTALL, MissingSynthesizer, SynthesisFailed, Yosys, chains, find, resources_of

ADDER = Unit(kind="adder", input="UINT4", output="UINT4")


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    try:
        return Laboratory(synthesizer=find(), cache=tmp_path_factory.mktemp("cache"), jobs=1)
    except MissingSynthesizer as error:
        pytest.skip(f"no synthesizer: nothing was counted; {error}")


def amounts(laboratory: Laboratory, unit: Unit) -> dict[str, int]:
    return laboratory.measure([unit])[unit].amounts


@pytest.mark.slow
def test_one_processing_element_as_published(laboratory: Laboratory) -> None:
    """4x4 unsigned, SIMD 4, with rows of carry chains: 113 LUT with a choice behind the sum, 103 with it in the sum."""
    unit = Unit(kind="matvec", weight="UINT4", input="UINT4", output="UINT16", simd=4, structure="lut")
    found = amounts(laboratory, unit)
    assert found == {"LUT": 103, "FF": 16, "DSP": 0, "BRAM18": 0, "URAM": 0}


@pytest.mark.slow
def test_a_count_of_ones_and_packed_multiplications(laboratory: Laboratory) -> None:
    ones = Unit(kind="matvec", weight="BIPOLAR", input="BIPOLAR", output="UINT8", simd=8, structure="lut")
    packed = Unit(kind="matvec", weight="INT4", input="UINT4", output="INT12", pe=4, simd=2, structure="dsp")
    found = laboratory.measure([ones, packed])
    assert found[ones].amounts["LUT"] == 26  # a tree of 18 and 8 of the accumulator, which absorb the XNOR
    assert found[packed].amounts["DSP"] == 2  # four products in each


@pytest.mark.slow
def test_memories(laboratory: Laboratory) -> None:
    sizes = {"bram18 1024x40": ("BRAM18", 3), "uram 5000x70": ("URAM", 2), "rom 64x20": ("LUT", 20)}
    units = {Unit(kind="memory", structure=name.split()[0], geometry=name.split()[1]): name for name in sizes}
    for unit, measured in laboratory.measure(list(units)).items():
        resource, count = sizes[units[unit]]
        assert measured.amounts[resource] == count


@pytest.mark.slow
def test_units_of_ecp5(laboratory: Laboratory) -> None:
    lab = replace(laboratory, family="ecp5")
    units = {
        Unit(kind="memory", structure="bram18", geometry="1024x36"): {"BRAM18": 2, "LUT": 0, "FF": 0},
        Unit(kind="memory", structure="rom", geometry="64x20"): {"LUT": 80},
        Unit(kind="memory", structure="ram", geometry="16x8"): {"LUT": 12},
        Unit(kind="matvec", weight="INT8", input="UINT8", output="INT20", pe=2, simd=2, structure="dsp"): {"DSP": 4},
    }
    for unit, measured in lab.measure(list(units)).items():
        assert {name: measured.amounts[name] for name in units[unit]} == units[unit] and measured.family == "ecp5"


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(3, 3), (2, 5), (6, 2), (5, 4)])
@pytest.mark.parametrize("sign", ["", "signed"])
@pytest.mark.parametrize("operation", ["*", "-"])
def test_carry_cells_of_ecp5_compute_what_they_replace(
    laboratory: Laboratory, widths: tuple[int, int], sign: str, operation: str
) -> None:
    first, second = widths
    wide = first + second if operation == "*" else max(5, *widths)
    ports = f"input {sign} [{first - 1}:0] a, input {sign} [{second - 1}:0] b, output {sign} [{wide - 1}:0] y"
    passes = (
        "read_verilog top.v; copy gold gate; read_verilog -lib -specify +/lattice/cells_sim_ecp5.v",
        "techmap -map chains.v gate; opt_clean gate; select -assert-none gate/t:$mul gate/t:$sub; select -clear",
        "techmap -autoproc -map +/lattice/cells_sim_ecp5.v gate; miter -equiv -flatten -make_outputs gold gate miter",
        "tee -q -o proof.txt sat -verify -prove trigger 0 miter",
    )
    files = {"top.v": f"module gold({ports}); assign y = a {operation} b; endmodule", "chains.v": chains("ecp5")}
    script = "\n".join(line for one in passes for line in one.split("; "))
    assert "SUCCESS" in laboratory.synthesizer.convert(files, script + "\n", "proof.txt", limit_s=120)


@pytest.mark.slow
def test_words_stand_side_by_side_in_ultra_ram(laboratory: Laboratory) -> None:
    """36 x 8,192 and the like take one block of UltraScale+, not the 2, 3 and 8 of 4K x 72 alone, and a multiplexer."""
    sizes = [(36, 8192), (24, 12_288), (18, 16_384), (9, 32_768), (72, 8192), (100, 6000)]
    units = {Unit(kind="memory", structure="uram", geometry=f"{depth}x{bits}"): (bits, depth) for bits, depth in sizes}
    for unit, measured in laboratory.measure(list(units)).items():
        assert measured.amounts["URAM"] == memory.uram(EXACT, *units[unit], "DSP48E2")
        multiplexer = memory.bank_select(*units[unit], "uram", "DSP48E2")
        assert measured.amounts["LUT"] == pytest.approx(multiplexer, rel=0.05, abs=10)


@pytest.mark.slow
def test_verified_units_with_ultra_ram_take_what_was_estimated(laboratory: Laboratory) -> None:
    net = nn.Sequential(QuantLinear(512, 64, bias=False, weight_quant=const_weight(bits=8)))
    placed = place(trace(net, torch.zeros(1, 512), input_bits=4).layers())
    for pe, simd in ((2, 4), (1, 2)):  # one word in a row, and four
        model = Dataflow(device="ZCU104", folding={"0": Fold(pe, simd)}, weight_memory="uram", writable=True)
        total = verify(placed, model, laboratory).sum(numeric_only=True)
        assert total["URAM"] == total["URAM_measured"] == 1
        assert total["BRAM18"] == total["BRAM18_measured"]
        assert total["LUT_measured"] == pytest.approx(total["LUT"], rel=0.1)


PORTS = [
    ("INT8", "INT20", "xc7", 1),
    ("INT18", "INT25", "xc7", 1),
    ("INT8", "UINT24", "xc7", 1),
    ("INT25", "INT18", "xc7", 1),
    ("INT25", "UINT18", "xc7", 2),
    ("INT25", "UINT17", "xc7", 1),
    ("UINT24", "INT18", "xc7", 1),
    ("UINT25", "INT18", "xc7", 2),
    ("INT43", "INT18", "xc7", 3),
    ("INT8", "UINT26", "xcup", 1),
    ("INT28", "INT28", "xcup", 4),
    ("INT43", "INT18", "xcup", 2),
]


@pytest.mark.slow
def test_wide_operands_take_the_slices_of_the_law(laboratory: Laboratory) -> None:
    for family, kind in (("xc7", "DSP48E1"), ("xcup", "DSP48E2")):
        units = {}
        for weight, inputs, of, slices in PORTS:
            widths = [int(name.strip("UINT")) for name in (weight, inputs)]
            unsigned = (weight[0] == "U", inputs[0] == "U")
            law = dsp.multipliers(EXACT, *widths, 1, 1, narrow=0, unsigned=unsigned, kind=kind)
            if of == family:
                assert law == slices
                output = f"INT{sum(widths) + 1}"
                units[Unit(kind="matvec", weight=weight, input=inputs, output=output, structure="dsp")] = slices
        for unit, measured in replace(laboratory, family=family).measure(list(units)).items():
            assert measured.amounts["DSP"] == units[unit], unit


@pytest.mark.slow
def test_the_port_that_writes_weights(laboratory: Laboratory) -> None:
    sizes = [(576, 64, 1), (4096, 72, 1), (4096, 288, 1), (4608, 32, 16), (1024, 16, 32), (300, 100, 7)]
    sizes += [(8192, 9, 64), (1152, 512, 4)]
    units = {Unit(kind="control", structure="loader", geometry="x".join(map(str, size))): size for size in sizes}
    for unit, measured in laboratory.measure(list(units)).items():
        depth, bits, banks = units[unit]
        luts, registers = memory.write_port(EXACT, bits, (depth - 1).bit_length() + (banks - 1).bit_length(), banks)
        assert measured.amounts["LUT"] == pytest.approx(luts, abs=8)
        assert measured.amounts["FF"] == pytest.approx(registers, abs=3)


@pytest.mark.slow
def test_rows_of_few_input_bits_take_as_many_luts_as_counted(laboratory: Laboratory) -> None:
    drawn = Random(4)
    wanted = [
        Unit(kind="constant", input=name, matrix=matrix([[drawn.randint(-31, 31) for _ in range(cols)] for _ in "123"]))
        for name, cols in (("UINT1", 4), ("UINT1", 6), ("UINT2", 3), ("INT3", 2), ("UINT5", 1))
    ]
    for unit, measured in laboratory.measure(wanted).items():
        counted, _ = luts(torch.tensor(unit.constants), Bits.of(wire(unit.input)))
        assert counted > 5
        assert measured.amounts["LUT"] == counted, unit


@pytest.mark.slow
def test_results_are_remembered(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    first = amounts(laboratory, ADDER)
    monkeypatch.setattr(Yosys, "count", lambda *args, **kwargs: pytest.fail("it was synthesized again"))
    assert amounts(laboratory, ADDER) == first
    with pytest.raises(pytest.fail.Exception):
        amounts(laboratory, Unit(kind="adder", input="UINT4", output="UINT5"))


@pytest.mark.slow
def test_a_damaged_result_is_made_again(laboratory: Laboratory) -> None:
    first = amounts(laboratory, ADDER)
    assert laboratory.cache is not None
    for path in laboratory.cache.iterdir():
        path.write_text("{")
    assert amounts(laboratory, ADDER) == first


@pytest.mark.slow
def test_two_at_one_cache_get_the_same(laboratory: Laboratory, tmp_path: Path) -> None:
    units = [Unit(kind="adder", input=f"UINT{bits}", output="UINT4") for bits in (3, 5, 6)]
    shared = replace(laboratory, cache=tmp_path)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(shared.measure, [units, units])
    assert one == two
    assert len(list(tmp_path.glob("*.json"))) == 2 * len(units) and not list(tmp_path.glob("*.partial"))


def _fake(tmp_path: Path, code: str) -> Laboratory:
    command = (sys.executable, "-c", code)
    return Laboratory(synthesizer=Yosys("yosys", "0.0", command), cache=tmp_path, jobs=1, limit_s=2)


def test_a_missing_binary(tmp_path: Path) -> None:
    missing = Laboratory(synthesizer=Yosys("yosys", "0.0", ("no-such-yosys",)), cache=tmp_path, jobs=1)
    with pytest.raises(MissingSynthesizer, match=r"no-such-yosys.*pip install 'hwcost\[synth\]'"):
        amounts(missing, ADDER)
    with pytest.raises(BadOption, match="pyosys"):
        find("vivado")
    assert "synth" in INSTALL


def test_an_unknown_primitive_is_not_ignored() -> None:
    assert resources_of({"LUT6": 2, "INV": 1, "RAM64M8": 1, "RAMB36E2": 1, "FDRE": 3, "CARRY4": 9}, "xcup")["LUT"] == 11
    with pytest.raises(SynthesisFailed, match="LDCE"):
        resources_of({"LDCE": 1}, "xcup")


def test_the_same_unit_is_the_same_circuit() -> None:
    """Else nothing would be found in the cache."""
    unit = Unit(kind="matvec", weight="INT4", input="UINT4", output="INT16", pe=2, simd=4, structure="lut")
    assert build(unit).rtlil() == build(unit).rtlil() != build(ADDER).rtlil()
