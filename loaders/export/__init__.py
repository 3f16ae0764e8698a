"""The export of the marts to the website's database."""
