import mlflow

mlflow.set_experiment("t2f")
with mlflow.start_run(run_name=folder.name):
    mlflow.log_params({name: str(value)[:500] for name, value in settings().items()})
    for step, values, sheet in events():
        if sheet is None:
            mlflow.log_metrics(values, step=step)
        else:
            mlflow.log_artifact(str(sheet), "samples")
    for name in ["config.toml", "log.txt"]:
        if (folder / name).exists():
            mlflow.log_artifact(str(folder / name))
