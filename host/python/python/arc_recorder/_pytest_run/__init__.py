"""What a recorded run is made of; see `arc_recorder.pytest_plugin`."""
