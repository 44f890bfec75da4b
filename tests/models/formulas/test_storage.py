"""Embeddings and states are memories of PE elements a word."""

from __future__ import annotations

from hwcost.graph.blocks import Embedding, State
from hwcost.graph.ranges import between, integers
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.formulas.memory import bram18, distributed_ram
from hwcost.models.formulas.storage import EmbeddingFormula, StateFormula

RTL = Setting("DSP48E2", "search", "rtl", "shared")
CODES = integers(4, signed=True)


def test_a_large_embedding_lies_in_block_ram() -> None:
    block = Embedding(rows=1000, channels=8, vectors=5, input=between(0, 999), output=CODES)
    law = EmbeddingFormula()
    found = law.exact(Job("tokens", block, Fold(2)), RTL)
    assert found.BRAM18 == bram18(EXACT, 8, 4000, "DSP48E2") and found.LUT["weights"] == 0
    assert found.cycles == 4 * 5 and law.folds(block)[-1] == Fold(8)


def test_a_small_embedding_is_a_table() -> None:
    block = Embedding(rows=10, channels=4, vectors=1, input=between(0, 9), output=CODES)
    found = EmbeddingFormula().exact(Job("tokens", block, Fold(4)), RTL)
    assert found.BRAM18 == 0 and found.LUT["weights"] > 0


def test_a_state_is_ram_and_one_word_a_register() -> None:
    block = State(channels=32, vectors=7, input=CODES, output=CODES)
    found = StateFormula().exact(Job("gru", block, Fold(2)), RTL)
    assert found.LUTRAM == distributed_ram(EXACT, 8, 16, 1, FABRICS["DSP48E2"])[1] == found.LUT["state"]
    whole = StateFormula().exact(Job("gru", block, Fold(32)), RTL)
    assert whole.LUT["state"] == 0 and whole.LUTRAM == 0
