"""FPGA cost while you train: learned bit-widths, differentiable hardware models, Pareto search."""

from hwcost.data import Data as Data
from hwcost.data import Split as Split
from hwcost.errors import HwcostError as HwcostError
from hwcost.estimate import Bill as Bill
from hwcost.estimate import Estimate as Estimate
from hwcost.estimate import estimate as estimate
from hwcost.estimate import price as price
from hwcost.live_cost import LiveCost as LiveCost
from hwcost.loss import Budget as Budget
from hwcost.loss import hardware_cost as hardware_cost
from hwcost.loss import log_ratio as log_ratio
from hwcost.models import FORMULAS as FORMULAS
from hwcost.models import Dataflow as Dataflow
from hwcost.models import Device as Device
from hwcost.models import Fold as Fold
from hwcost.models import Generic as Generic
from hwcost.models import devices as devices
from hwcost.models import target_fps as target_fps
from hwcost.quant import parameter_groups as parameter_groups
from hwcost.recipe import Recipe as Recipe
from hwcost.rules import RULES as RULES
from hwcost.trace import Pipeline as Pipeline
from hwcost.trace import trace as trace
from hwcost.train import Training as Training
from hwcost.train import evaluate as evaluate
from hwcost.train import fit as fit
