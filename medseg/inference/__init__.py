"""Model packages and running them over whole images."""
