"""Products with constant matrices whose outputs share sub-sums: a closed law of digits and input bits."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hwcost.graph.ranges import widest
from hwcost.graph.spec import MatVec
from hwcost.graph.ste import with_gradient_of
from hwcost.models.unrolled.constant_product import TreeCost
from hwcost.models.unrolled.signed_digits import count_digits


def shared_trees(
    codes: Sequence[Tensor],
    live: Sequence[Tensor],
    blocks: Sequence[MatVec],
    stage_levels: int,
    constants: Mapping[str, float],
) -> TreeCost:
    """The cost of products whose optimizer builds what several outputs have in common once.

    An output of D digits has n = D - 1 adders and costs 1.056 sum(digits b) - 1.006 max(b) + n (0.365 + 0.17 log2 D)
    LUT, b the bits of each input; a product with k digits per input that it reads costs k^-0.096 of the sum.

    Args:
        codes: integer weights of each block, int64 (outputs, cols).
        live: the same without dead code; that alone is in the amounts.
        blocks: the products.
        stage_levels: adders between two registers.
        constants: of the laws, by name.

    Returns:
        TreeCost of float64 (len(blocks),). Gradient: a bit of a weight costs its share of the digits that it stands
        for, and a whole one where the weight is 0 but its width is not, so that pruning is worth its price before it
        happens; a bit of an input costs what its live digits do.

    Error: LUT of 58 trained networks, activations included, against da4ml 0.6: MAPE 3.7%, worst 18%, medians of six
        ways of training 0.96 to 1.01 (reports/benchmarks/unrolled.md).
    Source: structure; five constants fit to da4ml's adder graphs.
    """
    found = [_one(*each, stage_levels, constants) for each in zip(codes, live, blocks, strict=True)]
    return TreeCost(*(torch.stack(column) for column in zip(*found, strict=True)))


def _one(
    codes: Tensor, live: Tensor, block: MatVec, stage_levels: int, c: Mapping[str, float]
) -> tuple[Tensor, Tensor, Tensor]:
    wire = block.columns if block.columns is not None else widest(block.input)
    inputs = wire.bits.to(torch.float64).expand(block.cols)
    own = inputs.detach()
    digits, built = count_digits(codes).double(), count_digits(live).double()
    per_row = built.sum(1)
    adders, depth = (per_row - 1).clamp(min=0), torch.log2(per_row.clamp(min=1))
    first = ((built > 0) * own).amax(1)
    tree = (c["shared_input_bit"] * (built @ own) - c["shared_first"] * first).clamp(min=0) * (adders > 0)
    total, read = float(built.sum()), float((built > 0).any(0).sum())
    shared = max(1.0, total / max(read, 1.0)) ** -c["shared_power"]
    cost = shared * (tree + adders * (c["shared_adder"] + c["shared_level"] * depth)).sum()
    shrink = 2.0**-stage_levels
    results = (block.acc.bits.detach().double().expand(len(per_row)) * (per_row > 0)).sum()
    registers = shared * shrink / (1 - shrink) * (built @ own).sum() + results
    levels = torch.ceil(depth.max())
    # what one digit more costs, and how many digits a bit of the weight stands for
    digit = shared * (c["shared_input_bit"] * own + (c["shared_adder"] + c["shared_level"] * depth)[:, None])
    length = torch.frexp(codes.abs().double())[1]  # bits of the code; 0 has none
    slope = digit * torch.where(codes == 0, 1.0, digits / length.clamp(min=1))
    weight = block.weight.bits.to(torch.float64)
    wide = weight[:, None] if weight.ndim == 1 else weight
    smooth = (slope * wide.expand(codes.shape)).sum() + shared * c["shared_input_bit"] * (built.sum(0) * inputs).sum()
    if not smooth.requires_grad:
        return cost, registers, levels
    return with_gradient_of(cost, smooth), with_gradient_of(registers, smooth * shrink / (1 - shrink)), levels
