"""The export of proven marts to the website's database."""
