"""The command `unroll`. It imports any subpackage except data, evaluation, stages and tools."""
