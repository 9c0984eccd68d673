"""From predictions to scores: metrics, calibration, intervals, baseline, plots. It imports no other subpackage."""
