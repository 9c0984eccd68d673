"""The program `unroll`. It imports any room but stages and tools."""
