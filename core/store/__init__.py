"""Stores runs on disk: saves, finds, names, stars, evicts, exports and opens them. Opening one needs no torch.

``folders`` says where runs lie, ``run_files`` handles one run's folder, ``lock`` keeps writers apart; ``write`` saves,
evicts and deletes, ``read`` opens, ``query`` finds and names with the help of ``run_index``; ``serialise`` converts
records, ``json_files`` makes files to send to others, ``comparison_files`` one of several runs, ``csv_tables`` one for
spreadsheets, ``example_runs`` imports the runs that come with Heed, ``maps_files`` keeps the maps of texts,
``quarantine`` mends damaged runs or sets them aside. Names load lazily, since every page imports this
package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
