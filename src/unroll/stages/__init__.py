"""The pipeline's stages: one file each, run as `python -m unroll.stages.NAME` in the pipeline's folder."""

from unroll.base.portable import fix_dispatch
from unroll.base.process import collect_rarely

# Here, as Python runs this before a stage imports NumPy and all else that it takes seconds to import.
fix_dispatch()
collect_rarely()
