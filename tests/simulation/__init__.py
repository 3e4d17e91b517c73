"""Random histories of the real scheduler and store, in a world of their own that repeats exactly.

``python -m tests.simulation SEED`` shows one, ``python -m tests.simulation SEED COUNT`` runs many.
Simulated are processes and the clock (``world``), tasks of this machine (``machine``), batch systems
(``site``), their commands (``desk``) and their nodes (``node``). The engine of clusters is the real one, with
a dialect of its own; scripts and records are real files. ``oracle`` checks the promises, ``truth`` those of
clusters.
"""
