from .bundle import verify_bundle as verify_bundle
from .evidence import Checked as Checked, Verified as Verified, verify as verify, write_whole as write_whole
from .file import CaseFile as CaseFile
from .log import Case as Case, Cases as Cases, ConflictError as ConflictError, Entry as Entry
from .render import UnfoundedError as UnfoundedError, statement as statement
from .retention import keep_days as keep_days, resting as resting
from .weighing import weigh as weigh
from .writing import check as check
