"""What every subpackage needs: errors, files, processes, devices. It imports no other subpackage."""
