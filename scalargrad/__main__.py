"""`python -m scalargrad`: the command, where its own name is not on the PATH."""

import sys

from .cli import main

sys.exit(main())
