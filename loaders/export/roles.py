"""Roles of the website's database, which `docs/access/rds.sql` creates too."""

EXPORTER = "hello_korea_exporter"
"""Owns the tables that the export writes."""
READER = "hello_korea_web"
"""The website, which may only select."""
