"""The command `unroll`. It imports any subpackage except stages and tools."""
