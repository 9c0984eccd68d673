"""Other programs that the Makefile runs: verify, audit, lock. It imports base, tracking, results and cli."""
