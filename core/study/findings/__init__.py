"""Computes findings from a study's tables: structures compared, importance against quality, sentences, figures, report.

``core.study`` makes the tables; nothing here holds a model or a database. ``analysis`` puts everything together,
``structure_effects``, ``correlations`` and ``outcome_prediction`` answer the three questions, ``sentences`` and
``methods_section`` put results into words, ``source`` reads tables from any source, ``cache`` stores results,
``bundle`` makes a folder that opens with one click.
"""
