"""What is measured, a module for each section: `TITLE`, `ROOM_GB` and `run`."""
