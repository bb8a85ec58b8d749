"""`python -m nom_negotiate` is `nom`."""

from nom_negotiate.cli import main

if __name__ == "__main__":
    main()
