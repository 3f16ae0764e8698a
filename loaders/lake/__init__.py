"""The lake: objects under keys such as `raw/tour/places/dt=2026-11-22/…`, in a folder or on S3."""
