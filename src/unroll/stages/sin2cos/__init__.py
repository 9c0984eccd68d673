"""Stages that only the pipeline sin2cos has."""
