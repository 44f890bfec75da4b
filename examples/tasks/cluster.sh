#!/bin/bash
# A search by an array of jobs under SLURM, in one file that all nodes reach: sbatch examples/tasks/cluster.sh
#SBATCH --array=0-15 --cpus-per-task=1
set -euo pipefail
shared=${SHARED:-$HOME/searches}
export HWCOST_STORAGE=$shared/studies.journal HWCOST_ARTIFACTS=$shared/weights
cd "${SLURM_SUBMIT_DIR:-.}"
recipe=examples/tasks/tabular.py:recipe
if [ "$SLURM_ARRAY_TASK_ID" = 0 ]; then # the first leads, the others train for it, whoever comes first
    hwcost sweep "$recipe" --trials "${TRIALS:-200}" --out "$shared/machines" --quiet
else
    hwcost worker machines --recipe "$recipe" --out "$shared/worker-$SLURM_ARRAY_TASK_ID" --wait 3600 --quiet
fi
