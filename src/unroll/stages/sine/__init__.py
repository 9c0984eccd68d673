"""Stages that only the pipeline sine has."""
