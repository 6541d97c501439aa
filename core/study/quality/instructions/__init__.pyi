from .check_settings import INSTRUCTIONS as INSTRUCTIONS
from .check_settings import check_kwargs as check_kwargs
from .check_types import Check as Check
from .detection import detect_instructions as detect_instructions
from .request_spans import find_spans as find_spans
from .verdicts_of import Verdict as Verdict
from .verdicts_of import check_instructions as check_instructions
from .verdicts_of import verdicts as verdicts
