"""Every call of MLflow. It imports what it reports on: base, params, models, training."""
