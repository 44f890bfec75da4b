"""Hardware models: what blocks cost on an FPGA."""

from __future__ import annotations

from hwcost.models.dataflow import Dataflow as Dataflow
from hwcost.models.device import Device as Device
from hwcost.models.device import devices as devices
from hwcost.models.finn.model import Finn as Finn
from hwcost.models.folding.folds import Folding as Folding
from hwcost.models.folding.target_fps import target_fps as target_fps
from hwcost.models.formulas.formula import Fold as Fold
from hwcost.models.formulas.formula import Formula as Formula
from hwcost.models.formulas.formula import Job as Job
from hwcost.models.formulas.formula import Setting as Setting
from hwcost.models.formulas.table import FORMULAS as FORMULAS
from hwcost.models.generic import Generic as Generic
from hwcost.models.links import place as place
from hwcost.models.refolding import Refolding as Refolding
from hwcost.models.resources import AREAS as AREAS
from hwcost.models.resources import RESOURCES as RESOURCES
from hwcost.models.resources import HardwareModel as HardwareModel
from hwcost.models.resources import Placed as Placed
from hwcost.models.unrolled.model import Unrolled as Unrolled
