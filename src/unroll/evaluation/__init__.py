"""From predictions to scores: metrics, calibration, intervals, plots. It imports no other subpackage."""
