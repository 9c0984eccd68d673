"""What only the pipelines over real-valued sequences need. It imports base, params, data and models."""
