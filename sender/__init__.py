"""From the camera to the wire."""
