"""Content taken apart: mails, pages, documents, archives and pictures, by libraries kept at arm's length."""

from tidegauge.content.apart import Apart
from tidegauge.content.blocks import Block
from tidegauge.content.encodings import to_text
from tidegauge.content.inside import Inside
from tidegauge.content.kinds import DOCUMENTS, SCRIPTS, endings, kind_of, looks_like_mail
from tidegauge.content.mail import Address, Attachment, Mail, parse_mail
from tidegauge.content.msg import is_msg, msg_to_mail
from tidegauge.content.page import Anchor, Page, read_page
from tidegauge.content.unpack import Joined, LeftOut, Source, files_below, mails_of, unpack, unpack_bytes

__all__ = [
    "DOCUMENTS", "SCRIPTS", "Address", "Anchor", "Apart", "Attachment", "Block", "Inside", "Joined",
    "LeftOut", "Mail", "Page", "Source", "endings", "files_below", "is_msg",
    "kind_of", "looks_like_mail", "mails_of", "msg_to_mail", "parse_mail", "read_page", "to_text", "unpack",
    "unpack_bytes",
]  # fmt: skip
