"""What prepares data and trains the networks; torch is allowed here."""
