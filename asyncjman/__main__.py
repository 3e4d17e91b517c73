"""``python -m asyncjman`` is ``jman``."""

from asyncjman.cli.start import main

if __name__ == "__main__":
    main()
