"""All calls to MLflow. It imports what it reports on: base, params, models, training, inference."""
