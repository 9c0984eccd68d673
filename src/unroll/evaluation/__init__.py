"""From predictions to scores: metrics, calibration, intervals, plots, the model card. It imports base and params."""
