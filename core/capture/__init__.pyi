from .batch_generation import capture_all as capture_all
from .build_request import make_request as make_request
from .run_model import capture as capture
