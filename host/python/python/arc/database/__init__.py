"""The names of the guide; the package itself is `arc_recorder`."""
