"""The pipeline's stages: one file each, run as `python -m unroll.stages.NAME` in the pipeline's folder."""
