"""From the wire to the picture."""
