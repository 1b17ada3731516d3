display(Image(f"{run_dir}/samples.png"))
