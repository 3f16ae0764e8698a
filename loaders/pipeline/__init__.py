"""One source in a run: extract, stage, load, and the history of runs."""
