"""The pipeline's stages: one file each, run as `python -m unroll.stages.NAME` in the pipeline's folder."""

from unroll.base.portable import fix_dispatch

fix_dispatch()  # here, as Python runs this before a stage imports NumPy
