"""Stages that only the pipeline hello has."""
