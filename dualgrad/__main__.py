"""``python -m dualgrad`` runs the tour; the exit status tells whether every check passed."""

import sys

if __name__ == "__main__":
    from dualgrad.tour import main

    sys.exit(main())
