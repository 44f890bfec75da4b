"""The study folder and its ask/tell loop: Optuna proposes, the caller trains, every finished trial is on disk."""

from hwcost.search.protocol import COLUMNS as COLUMNS
from hwcost.search.protocol import Crew as Crew
from hwcost.search.protocol import Objective as Objective
from hwcost.search.protocol import Outcome as Outcome
from hwcost.search.protocol import RunEnd as RunEnd
from hwcost.search.protocol import Suggestion as Suggestion
from hwcost.search.samplers.choose import NSGA2_POPULATION as NSGA2_POPULATION
from hwcost.search.samplers.choose import Prices as Prices
from hwcost.search.samplers.choose import check_limits as check_limits
from hwcost.search.samplers.greybox import GreyBoxSampler as GreyBoxSampler
from hwcost.search.storage.database import masked as masked
from hwcost.search.storage.journal import STUDY_NAME as STUDY_NAME
from hwcost.search.storage.local import JOURNAL as JOURNAL
from hwcost.search.storage.local import LOCK as LOCK
from hwcost.search.storage.local import open_study as open_study
from hwcost.search.storage.shared import MARK as MARK
from hwcost.search.storage.shared import join_study as join_study
from hwcost.search.storage.shared import lead_study as lead_study
from hwcost.search.storage.shared_study import Share as Share
from hwcost.search.study import Study as Study
from hwcost.search.trial_plan import RETRIES as RETRIES
