import matplotlib.pyplot as plt

if stats.empty:
    print("The statistics have no row yet.")
else:
    groups = stats[~stats["name"].str.startswith("Settings/")]
    groups = groups.assign(group=groups["name"].str.rsplit("/", n=1).str[0])
    names = sorted(groups["group"].unique())
    figure, axes = plt.subplots(len(names), 1, figsize=(8, 2.6 * len(names)), squeeze=False)
    for axis, group in zip(axes[:, 0], names):
        for (run, name), curve in groups[groups["group"] == group].groupby(["run", "name"], sort=True):
            label = name if len(runs) == 1 else f"{run}: {name}"
            axis.plot(curve["kimg"], curve["value"], marker="o" if len(curve) < 30 else None, markersize=3, label=label)
        axis.set(title=group, xlabel="kimg", ylabel="value")
        axis.legend(fontsize=6, ncols=2)
    figure.tight_layout()
    plt.show()
