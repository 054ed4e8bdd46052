"""Things that could be libraries of their own: they know no word of the product."""
