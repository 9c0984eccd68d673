"""params.yaml as checked, typed values. It imports base."""
