"""Ways out: files that other tools read."""

from hwcost.export.finn import finn_folding

__all__ = ["finn_folding"]
