"""What the Makefile runs besides: verify, audit, lock. It imports base and cli."""
