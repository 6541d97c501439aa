from .ablation import hide_units as hide_units
from .ablation import knock_out as knock_out
from .answer_odds import log_odds as log_odds
from .gradients import attribute as attribute
from .next_token import next_tokens as next_tokens
from .segment_ablation import ablate_segments as ablate_segments
from .switched_parts import switch_off as switch_off
