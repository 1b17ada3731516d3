rows = []
for run in runs:
    own = stats[(stats["run"] == run) & ~stats["name"].str.startswith(("Metrics/", "Settings/"))]
    for name, value in own.groupby("name", sort=True)["value"].last().items():
        rows.append([run, name, number(value)])
show(pd.DataFrame(rows, columns=["run", "name", "value"], dtype=str))
