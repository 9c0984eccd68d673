"""From predictions to scores: metrics, calibration, intervals, the linear baseline, pictures. It imports base."""
