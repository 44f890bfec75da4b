"""A priced network in pieces that depend on few widths each: what training remembers and a search tabulates."""

from __future__ import annotations

from hwcost.pieces.pieces import Piece as Piece
from hwcost.pieces.pieces import Pieces as Pieces
from hwcost.pieces.pieces import Rebuilt as Rebuilt
from hwcost.pieces.pieces import Separable as Separable
from hwcost.pieces.pieces import Table as Table
from hwcost.pieces.stand_in import Levels as Levels
from hwcost.pieces.stand_in import learned_widths as learned_widths
