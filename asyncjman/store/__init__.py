"""The state of all jobs in one SQLite file. SQL lives in this folder and nowhere else."""
