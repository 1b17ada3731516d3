import trackio

trackio.init(project="t2f", name=folder.name, config=settings())
for step, values, sheet in events():
    picture = {} if sheet is None else {"samples": trackio.Image(str(sheet))}
    trackio.log(values | picture, step=step)
trackio.finish()
