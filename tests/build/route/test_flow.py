"""What passes between a synthesizer and a router."""

from __future__ import annotations

from routed import FakeRouter, FakeSynthesizer, netlist, run

from hwcost.build.route.flow import Router, Synthesizer


def test_the_path_and_the_cells_by_unit() -> None:
    made = run(1, 60.0)
    assert made.path_by_unit == {"a": {"logic": 0.75, "routing": 2.0}, "b": {"logic": 1.0, "routing": 0.0}}
    assert [*made.path_by_unit] == ["a", "b"]
    assert made.units["a"]["LUT"] == made.units["b"]["FF"] == made.units["b"]["BRAM18"] == 1
    assert sum(sum(amounts.values()) for amounts in made.units.values()) == len(made.cells)


def test_anything_of_that_form_is_a_tool() -> None:
    synthesizer: Synthesizer = FakeSynthesizer(netlist())
    router: Router = FakeRouter()
    assert synthesizer.name and router.name
