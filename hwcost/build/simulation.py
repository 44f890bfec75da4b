"""Simulation of an accelerator: its codes against those of the integer network, its cycles, its FIFOs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.accelerator import Accelerator, Probe
from hwcost.build.golden import Golden
from hwcost.errors import HwcostError


class WrongHardware(HwcostError):
    """Codes, or ends of frames, that differ from those of the integer network."""


class Deadlock(HwcostError):
    """A pipeline in which nothing moves any more; the message names the stream that blocks it."""


@dataclass(frozen=True)
class Pauses:
    """Share of cycles in which each side of the pipeline is there, in percent, and the seed of the choice.

    Attributes:
        offered, taken: in percent.
        seed: of the choice.
        every: cycles from frame to frame, whose words then come at even distances; 0 for as fast as they are taken.
    """

    offered: int = 100
    taken: int = 100
    seed: int = 1
    every: int = 0


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Observations of one run.

    Attributes:
        frames: (cycle of the first word in, cycle of the last word out) of each frame.
        levels: stream -> most words that its FIFO held.
        words: that were compared.
    """

    frames: tuple[tuple[int, int], ...]
    levels: dict[str, int]
    words: int

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first word of the first frame to its last result."""
        first, last = self.frames[0]
        return last - first + 1

    @property
    def interval_cycles(self) -> float:
        """Cycles per frame, over the later half of the frames."""
        ends = [last for _, last in self.frames]
        half = len(ends) // 2
        if len(ends) < 2:
            return float(self.latency_cycles)
        return (ends[-1] - ends[half - 1]) / (len(ends) - half)


def patience(latency_cycles: int) -> int:
    """Cycles without any word, in or out, after which a pipeline of this latency is stuck."""
    return 4 * latency_cycles + 1000


def simulate(made: Accelerator, golden: Golden, pauses: Pauses, quiet: int) -> Trace:
    """Run frames through Amaranth's simulator.

    Args:
        made: the accelerator.
        golden: the frames.
        pauses: of both sides.
        quiet: cycles without a word after which it is stuck, see `patience`.

    Raises:
        WrongHardware: the first word that differs. Deadlock: nothing moves.
    """
    words_in, words_out = made.words
    random = Random(pauses.seed)
    firsts: list[int] = []
    lasts: list[int] = []
    levels = {probe.name: 0 for probe in made.probes if probe.level is not None}
    stuck: list[tuple[Probe, int, int]] = []

    async def run(context: SimulatorContext) -> None:
        source, sink = made.entering, made.leaving
        context.set(made.resetn, 0)
        await context.tick()
        await context.tick()
        context.set(made.resetn, 1)
        sent = seen = silent = cycle = 0
        offer = False
        while seen < len(golden.wanted):
            due = cycle >= sent * pauses.every // words_in
            offer = offer or (due and sent < len(golden.sent) and random.randrange(100) < pauses.offered)
            ready = random.randrange(100) < pauses.taken
            context.set(source.valid, offer)
            context.set(sink.ready, ready)
            if offer:
                context.set(source.data, golden.sent[sent])
            moved = False
            if offer and context.get(source.ready):
                if sent % words_in == 0:
                    firsts.append(cycle)
                sent, offer, moved = sent + 1, False, True
            if ready and context.get(sink.valid):
                end = bool(context.get(made.last))
                check(golden, seen, context.get(sink.data), end, words_out)
                seen, moved = seen + 1, True
                if end:
                    lasts.append(cycle)
            for probe in made.probes:
                if probe.level is not None:
                    levels[probe.name] = max(levels[probe.name], context.get(probe.level))
            silent = 0 if moved or not ready else silent + 1
            if silent > quiet:
                stuck.extend(
                    (probe, context.get(probe.state), 0 if probe.level is None else context.get(probe.level))
                    for probe in made.probes
                )
                return
            await context.tick()
            cycle += 1

    simulator = Simulator(made.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    if stuck:
        raise Deadlock(blocked(stuck))
    return Trace(frames=tuple(zip(firsts, lasts, strict=True)), levels=levels, words=len(golden.wanted))


def check(golden: Golden, seen: int, word: int, end: bool, words_out: int) -> None:
    """Compare one word that left.

    Raises:
        WrongHardware: it differs, or the end of the frame stands elsewhere.
    """
    frame, place = divmod(seen, words_out)
    if word != golden.wanted[seen]:
        raise WrongHardware(f"frame {frame}, word {place}: {word:#x} instead of {golden.wanted[seen]:#x}")
    if end != (place == words_out - 1):
        raise WrongHardware(f"frame {frame}: its last word is not marked as such (tlast), at word {place}")


def blocked(states: Sequence[tuple[Probe, int, int]]) -> str:
    """Say which stream blocks a pipeline: (probe, state, words in its FIFO) of every stream."""
    full = [(probe, level) for probe, state, level in states if state & 0b0011 == 0b0001]
    empty = {probe.reader for probe, state, _ in states if not state & 0b0100}
    named = [item for item in full if item[0].reader in empty] or full
    if not named:
        return "deadlock: no unit offers a word, and none waits for room; a unit lost one"
    lines = []
    for probe, level in named:
        holds = f"its FIFO of {probe.fifo} words holds {level}" if probe.fifo else "it has no FIFO"
        waits = ", and its reader waits for another stream" if probe.reader in empty else ""
        lines.append(f"{probe.name}: {holds}{waits}")
    return "deadlock: " + "; ".join(lines) + "; give these FIFOs more words"
