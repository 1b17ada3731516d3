rows = [[row.run, number(row.kimg), row.name_, number(row.value)] for row in metrics.rename(columns={"name": "name_"}).itertuples()]
show(pd.DataFrame(rows, columns=["run", "kimg", "name", "value"], dtype=str))
