"""The cycle of every word: units at their pace, words that wait, FIFOs that hold them."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Adder, Link, MatVec, Window
from hwcost.models.folding.word_schedule import (
    BEHIND,
    Passing,
    Queue,
    buffered_words,
    deepest,
    holds_up,
    run,
)
from hwcost.models.formulas.formula import Fold, Job
from hwcost.models.formulas.window import buffer_words, word_order

WIRE = integers(4, signed=True)


def matvec(rows: int, cols: int) -> MatVec:
    return MatVec(rows=rows, cols=cols, weight=WIRE, input=WIRE, acc=WIRE)


def chain(*parts: tuple[MatVec, Fold]) -> tuple[list[Link], dict[int, Job]]:
    blocks = [block for block, _ in parts]
    links = [Link(source=source, sink=sink, wire=WIRE) for source, sink in zip([None, *blocks], blocks, strict=False)]
    return links, {id(block): Job("layer", block, fold) for block, fold in parts}


def test_a_unit_takes_a_vector_and_works_through_its_folds() -> None:
    links, jobs = chain((matvec(4, 6), Fold(2, 3)))
    found = run(links, jobs, lambda job: 1, queued=[Queue()], frames=2, interval=None)
    # 2 words, 2 folds: the second vector may enter when 4 steps are done; a result is there a cycle after its last step
    assert found.links[0].taken.tolist() == [0, 1, 4, 5] and [*found.ends.values()] == [8]


def test_words_are_collected_and_wait_for_a_unit_that_replays() -> None:
    links, jobs = chain((matvec(8, 2), Fold(1, 2)), (matvec(4, 8), Fold(1, 4)))
    found = run(links, jobs, lambda job: 1, queued=[Queue(), Queue()], frames=2, interval=8)
    passing = found.links[1]
    # a word of 4 is complete a cycle after the fourth result, which stands there a cycle after its step
    assert passing.given.tolist() == [5, 9, 13, 17] and passing.taken.tolist() == [5, 9, 16, 17]  # after 8 steps
    slower = run(links, jobs, lambda job: 1, queued=[Queue(), Queue(BEHIND, 1)], frames=2, interval=8)
    assert slower.links[1].taken.tolist() == [6, 10, 17, 18]


def test_a_sum_takes_the_later_of_its_streams() -> None:
    fast, slow = matvec(2, 2), matvec(2, 8)
    adder = Adder(channels=2, vectors=1, left=WIRE, right=WIRE, output=WIRE)
    links = [Link(source=None, sink=fast, wire=WIRE), Link(source=None, sink=slow, wire=WIRE),
             Link(source=fast, sink=adder, wire=WIRE), Link(source=slow, sink=adder, wire=WIRE)]  # fmt: skip
    jobs = {
        id(fast): Job("a", fast, Fold(2, 2)),
        id(slow): Job("b", slow, Fold(2, 1)),
        id(adder): Job("c", adder, Fold(2)),
    }
    found = run(links, jobs, lambda job: 1, queued=[Queue()] * 4, frames=1, interval=8)
    assert (
        found.links[2].given.tolist() == [1] and found.links[2].taken.tolist() == [8] == found.links[3].given.tolist()
    )


@pytest.mark.parametrize(
    ("given", "taken", "words"), [([0, 1, 2], [0, 1, 2], 1), ([0, 1, 2], [3, 4, 5], 3), ([0, 5, 6], [5, 7, 8], 2)]
)
def test_a_fifo_holds_what_was_given_and_not_taken_before(given: list[int], taken: list[int], words: int) -> None:
    times = [np.array(part) for part in (given, taken)]
    assert deepest(Passing(times[0], times[1], times[0])) == words


def test_a_word_that_waits_holds_up_the_next_only_if_that_begins_meanwhile() -> None:
    given, taken = np.array([0, 8]), np.array([3, 8])
    assert holds_up(Passing(given, taken, np.array([0, 2]))) and not holds_up(Passing(given, taken, np.array([0, 3])))


def stepped(depth: int, arrived: list[int], reads: list[int], each: int) -> tuple[list[int], list[int]]:
    """The cyclic buffer of `hwcost.synth.window`, cycle by cycle."""
    entered: list[int] = []
    read: list[int] = []
    cycle = 0
    while len(entered) < len(arrived) or len(read) < len(reads):
        done = len(read) // each
        start = reads[done * each] if done * each < len(reads) else len(arrived)
        room = len(entered) < len(arrived) and (len(entered) - start < depth or len(read) == len(reads))
        present = len(read) < len(reads) and reads[len(read)] < len(entered)
        if room and arrived[len(entered)] <= cycle:
            entered.append(cycle)
        if present:
            read.append(cycle)
        cycle += 1
    return entered, read


@pytest.mark.parametrize("seed", range(8))
def test_words_wait_in_front_of_a_window_whose_buffer_is_full(seed: int) -> None:
    random = Random(seed)
    height, width, channels = random.randint(3, 6), random.randint(3, 7), random.choice((1, 2, 4))
    kernel, stride = random.choice((2, 3)), random.choice((1, 2))
    block = Window(
        channels=channels, image=(height, width), kernel=(kernel, kernel), stride=(stride, stride),
        dilation=(1, 1), padding=((0, 0), (0, 0)), input=WIRE,
        output=((height - kernel) // stride + 1, (width - kernel) // stride + 1),
    )  # fmt: skip
    fold = Fold(1, random.choice([simd for simd in (1, 2) if channels % simd == 0]))
    _, reads = word_order(block, fold)
    pace = random.choice((1, 2, 5))
    arrived = np.arange(height * width * channels // fold.simd) * pace
    entered, read = buffered_words(block, fold.simd, arrived, reads)
    each = len(reads) // (block.output[0] * block.output[1])
    wanted = stepped(max(2, buffer_words(block, fold.simd)), arrived.tolist(), reads.tolist(), each)
    assert (entered.tolist(), read.tolist()) == wanted
    if pace == 1 and kernel == 3 and stride == 1:
        assert (entered > arrived).any()  # reading takes longer than arriving
