"""`python -m helpers.cli` is `study`."""

import sys

from helpers.cli import main

sys.exit(main())
