import wandb

with wandb.init(project="t2f", name=folder.name, config=settings()) as run:
    run.define_metric("*", step_metric="Progress/kimg")
    for step, values, sheet in events():
        picture = {} if sheet is None else {"samples": wandb.Image(str(sheet))}
        run.log(values | picture)
