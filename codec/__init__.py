"""What a frame is made of: face parameters, their bytes, and video files."""
