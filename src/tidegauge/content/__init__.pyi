from .apart import Apart as Apart
from .blocks import Block as Block
from .encodings import to_text as to_text
from .inside import Inside as Inside
from .kinds import (
    DOCUMENTS as DOCUMENTS,
)
from .kinds import (
    SCRIPTS as SCRIPTS,
)
from .kinds import (
    endings as endings,
)
from .kinds import (
    kind_of as kind_of,
)
from .kinds import (
    looks_like_mail as looks_like_mail,
)
from .mail import Address as Address
from .mail import Attachment as Attachment
from .mail import Mail as Mail
from .mail import parse_mail as parse_mail
from .msg import is_msg as is_msg
from .msg import msg_to_mail as msg_to_mail
from .page import Anchor as Anchor
from .page import Page as Page
from .page import read_page as read_page
from .unpacking import (
    Joined as Joined,
)
from .unpacking import (
    LeftOut as LeftOut,
)
from .unpacking import (
    Source as Source,
)
from .unpacking import (
    files_below as files_below,
)
from .unpacking import (
    mails_of as mails_of,
)
from .unpacking import (
    unpack as unpack,
)
from .unpacking import (
    unpack_bytes as unpack_bytes,
)
