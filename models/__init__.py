"""What knows faces: tracking, the morphable model, fitting, rendering and the generator."""
