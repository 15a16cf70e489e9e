"""How a report is shown: report in, text or samples out. Nothing here reads the host."""
