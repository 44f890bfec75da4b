from .comparison import write_comparison as write_comparison
from .files import write_report as write_report
from .schema import RunRecord as RunRecord
from .schema import TrialRecord as TrialRecord
from .study import Mark as Mark
from .study import Study as Study
from .study import read_study as read_study
