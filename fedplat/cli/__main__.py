"""`python -m fedplat.cli` is the `fedplat` command."""

from fedplat.cli.main import main

if __name__ == "__main__":
    main()
