"""``python -m asyncjman`` is ``jman``."""

from asyncjman.cli.main import main

if __name__ == "__main__":
    main()
