"""The parts of the pytest plug-in; see `arc_recorder.pytest_plugin`."""
