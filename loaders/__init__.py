"""Everything before the warehouse, and the export after it."""
