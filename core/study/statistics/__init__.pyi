from .auroc_interval import auroc as auroc
from .correlation import correlate_table as correlate_table
from .multiple_testing import q_values as q_values
from .power import smallest_rho as smallest_rho
from .prediction import predict_outcome as predict_outcome
from .stratum_forest import forest as forest
