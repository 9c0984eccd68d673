"""From predictions to scores: metrics, calibration, intervals, linear baseline, pictures. It imports no other room."""
