"""Composition: the only code that names concrete sources and joins them to the rest."""
