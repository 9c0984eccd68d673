"""Recurrent networks unrolled over time: the package behind the pipelines of this repository."""
