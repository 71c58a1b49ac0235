"""Models, whether one fits an image, and the run that turns an image into labels; no Qt in here."""
