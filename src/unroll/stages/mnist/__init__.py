"""Stages that only the pipeline mnist has."""
