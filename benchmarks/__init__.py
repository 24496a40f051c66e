"""The speed and scale figures, run by one command: `make bench`."""
