from tests.cells.slurm import slurm, slurm_cell

__all__ = ["slurm", "slurm_cell"]
