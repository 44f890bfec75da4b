"""A recipe as the objective of a tuner of yours: Optuna proposes, submitit trains the trials in jobs under SLURM.

Needs `pip install submitit`. Ray Tune calls `objective` in the same way:
`tune.Tuner(objective, param_space={"weight_base": tune.randint(2, 5), ...}).fit()`.
"""

import argparse

import optuna
import submitit

import hwcost
from hwcost.sweep.recipe import load_recipe

parser = argparse.ArgumentParser()
parser.add_argument("recipe", help="file.py:recipe, which every node can read")
parser.add_argument("--rounds", type=int, default=8)
parser.add_argument("--at-once", type=int, default=16)
parser.add_argument("--cluster", default="slurm", help="or `local`: processes on this machine")
given = parser.parse_args()
recipe = load_recipe(given.recipe, {})


def objective(params):
    """Figures of one training: the score, and what it costs."""
    return hwcost.train_trial(given.recipe, params)


executor = submitit.AutoExecutor(folder="jobs", cluster=given.cluster)
executor.update_parameters(timeout_min=60, cpus_per_task=1)
study = optuna.create_study(directions=[recipe.task.direction, "minimize"])
for _ in range(given.rounds):
    trials = [study.ask(recipe.space) for _ in range(given.at_once)]
    jobs = [executor.submit(objective, trial.params) for trial in trials]
    for trial, job in zip(trials, jobs, strict=True):
        found = job.result()
        study.tell(trial, (found["score"], found["LUT"]))
for trial in study.best_trials:
    print(f"{recipe.task.name} {trial.values[0]:.3f} at {trial.values[1]:,.0f} LUT: {trial.params}")
