"""The metrics page: one table of families a subject, rendered by `exposition`."""
