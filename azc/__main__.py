"""`python -m azc` is the `azc` command."""

from azc.cli.main import main

if __name__ == "__main__":
    main()
