"""`python -m pannier` is the program under its own name."""

import sys

from pannier.cli.main import main

sys.exit(main())
