from tests.cells.sge import sge_cell

__all__ = ["sge_cell"]
