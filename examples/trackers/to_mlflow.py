"""The trials of a finished study in MLflow, with their costs and curves. Needs `pip install mlflow-skinny`.

Optuna's own MLflowCallback is deprecated; this needs no more lines. While trials train, Lightning's MLFlowLogger or
WandbLogger takes the place of the TensorBoardLogger in `to_tensorboard.py`.
"""

import argparse

import mlflow

import hwcost

parser = argparse.ArgumentParser()
parser.add_argument("study", help="folder that `hwcost sweep` wrote")
parser.add_argument("--uri", default="sqlite:///mlflow.db", help="of MLflow: a file, or a server")
given = parser.parse_args()

copy = hwcost.open_study(given.study).to_optuna()
mlflow.set_tracking_uri(given.uri)
mlflow.set_experiment(copy.study_name)
for trial in copy.trials:
    with mlflow.start_run(run_name=f"trial {trial.user_attrs['number']}"):
        mlflow.log_params(trial.params)
        mlflow.log_metrics({**trial.user_attrs, **dict(zip(copy.metric_names, trial.values, strict=True))})
        for epoch, score in trial.intermediate_values.items():
            mlflow.log_metric(f"{copy.metric_names[0]} by epoch", score, step=epoch)
print(f"{len(copy.trials)} runs -> {given.uri}")
