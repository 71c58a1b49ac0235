"""`python -m medseg`: the command where its script is not on the PATH."""

from medseg.cli.main import main

if __name__ == "__main__":
    main()
