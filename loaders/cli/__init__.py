"""The commands that people type, and what those commands print."""
