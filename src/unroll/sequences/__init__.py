"""What the pipelines of real-valued sequences have besides. It imports base, params, data and models."""
