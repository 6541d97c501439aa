from .batch_generation import capture_all as capture_all
from .build_request import make_request as make_request
from .masked_tokens import masked_predictions as masked_predictions
from .run_model import capture as capture
from .text_maps import read_text as read_text
