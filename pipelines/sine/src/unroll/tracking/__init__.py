"""All calls to MLflow. It imports what it reports on: base, params, text, models, training, inference."""
