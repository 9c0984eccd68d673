"""From predictions to scores: metrics, calibration, intervals, the linear baseline, pictures. It imports no other room."""
