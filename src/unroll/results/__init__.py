"""Results from Git and from MLflow, side by side. It imports base, params, sequences and tracking."""
