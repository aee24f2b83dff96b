from .attachments import Inside as Inside
from .blocks import Block as Block
from .bounded import Joined as Joined
from .encodings import to_text as to_text
from .kinds import (
    DOCUMENTS as DOCUMENTS,
    SCRIPTS as SCRIPTS,
    endings as endings,
    kind_of as kind_of,
    looks_like_mail as looks_like_mail,
)
from .mail import Address as Address, Attachment as Attachment, Mail as Mail, parse_mail as parse_mail
from .msg import is_msg as is_msg, msg_to_mail as msg_to_mail
from .page import Anchor as Anchor, Page as Page, read_page as read_page
from .sandbox import Apart as Apart
from .unpacking import (
    LeftOut as LeftOut,
    Source as Source,
    files_below as files_below,
    mails_of as mails_of,
    unpack as unpack,
    unpack_bytes as unpack_bytes,
)
