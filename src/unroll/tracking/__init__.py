"""Every call of MLflow. It imports what it tells of: base, params, models, training."""
