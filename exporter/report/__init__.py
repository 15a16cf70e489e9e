"""What was judged: frozen types that assess writes, and that present, notify and the command line read.

No field is a union of classes, so any typed JSON codec carries a report across a process boundary.
Facts are passed on unchanged; the judgements stand beside them.
"""
