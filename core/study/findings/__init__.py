"""A study's tables -> what was found: structures compared, importance against quality, sentences, figures, a report.

``core.study`` makes the tables; nothing here holds a model or a database. ``whole`` puts everything together,
``comparing``, ``relating`` and ``foretelling`` ask the three questions, ``saying`` and ``writing`` put answers into
words, ``opened`` takes tables from wherever they come, ``found`` keeps results, ``shipping`` makes a folder that opens
by one click.
"""
