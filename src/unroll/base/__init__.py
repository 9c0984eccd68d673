"""What every room needs: errors, files, processes, devices. It imports no other room."""
