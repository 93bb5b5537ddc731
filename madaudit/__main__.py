"""`python -m madaudit`: the same as the command `madaudit`."""

from madaudit.cli import main

if __name__ == "__main__":
    main()
