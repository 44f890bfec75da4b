"""The study folder and its ask/tell loop: Optuna proposes, the caller trains, every finished trial is on disk."""

from hwcost.search.database import masked as masked
from hwcost.search.exchange import COLUMNS as COLUMNS
from hwcost.search.exchange import Crew as Crew
from hwcost.search.exchange import Objective as Objective
from hwcost.search.exchange import Outcome as Outcome
from hwcost.search.exchange import RunEnd as RunEnd
from hwcost.search.exchange import Suggestion as Suggestion
from hwcost.search.folder import JOURNAL as JOURNAL
from hwcost.search.folder import LOCK as LOCK
from hwcost.search.folder import open_study as open_study
from hwcost.search.greybox import GreyBoxSampler as GreyBoxSampler
from hwcost.search.journal import STUDY_NAME as STUDY_NAME
from hwcost.search.meeting import MARK as MARK
from hwcost.search.meeting import join_study as join_study
from hwcost.search.meeting import lead_study as lead_study
from hwcost.search.plan import RETRIES as RETRIES
from hwcost.search.samplers import NSGA2_POPULATION as NSGA2_POPULATION
from hwcost.search.samplers import Prices as Prices
from hwcost.search.samplers import check_limits as check_limits
from hwcost.search.shared import Share as Share
from hwcost.search.study import Study as Study
