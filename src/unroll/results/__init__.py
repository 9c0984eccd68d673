"""What Git and MLflow know of results, side by side. It imports base, params, sequences and tracking."""
