"""Random histories of the real scheduler and store, in a world of their own that repeats exactly.

``python -m tests.simulation SEED`` shows one; see ``world`` for what is simulated, ``oracle`` for what is
checked.
"""
