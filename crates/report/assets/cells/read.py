import pandas as pd
from IPython.display import HTML, Image, display

pd.set_option("display.max_colwidth", None)
COLUMNS = ["run", "step", "kimg", "level", "alpha", "name", "value"]
stats = pd.read_parquet(f"{run_dir}/stats.parquet", columns=COLUMNS)
metrics = pd.read_csv(f"{run_dir}/metrics.csv", float_precision="round_trip", dtype={"run": str, "name": str})


def number(value):
    return f"{value:.4g}"


def show(table):
    display(HTML(table.to_html(index=False, border=0)))


runs = pd.read_csv(f"{run_dir}/runs.csv", dtype=str)["run"]
rows = []
for run in runs:
    own = stats[stats["run"] == run]
    of_metrics = metrics[metrics["run"] == run]
    rows.append([run, f"{len(own):,}", f"{len(of_metrics):,}", number(own["kimg"].max())])
show(pd.DataFrame(rows, columns=["run", "values", "metrics", "kimg"], dtype=str))
