"""The one way to fail: an exception that names what is wrong, where, and what to do about it."""

from __future__ import annotations


class TidegaugeError(Exception):
    """An error that a user can act on.

    Args:
        what: what is wrong, in one sentence without a full stop.
        where: the file with offset or line, or the setting.
        hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.hint and text.endswith("."):
            return f"{text} {self.hint}"
        return f"{text} ({self.hint})" if self.hint else text


class UsageError(TidegaugeError):
    """The question or the command is not well formed (exit status 2)."""


class SiteError(TidegaugeError):
    """The site file is missing or wrong."""


class InputError(TidegaugeError):
    """An input file or stream cannot be read past some point; what came before it is good."""


class CorruptError(InputError):
    """Packed data do not have the check sum that was written with them: what came before may be wrong too."""


class NoFlowsError(InputError):
    """A file that is whole, and of no kind that holds flows."""


class LakeError(TidegaugeError):
    """The data folder cannot be used."""
