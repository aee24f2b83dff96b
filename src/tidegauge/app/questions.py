"""Questions as they are put: the options of each verb as text and numbers, for the command line and the API alike."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegauge.model import FALSE_ALARMS, FALSE_DISCOVERIES, MOST_GROUPS, POWERS, UsageError
from tidegauge.model.shapes import Metric as Metric

Direction = Literal["in", "out", "internal", "transit"]
Text = Annotated[str, Field(max_length=20_000)]
Time = Annotated[str, Field(max_length=64, examples=["2014-11-24", "2014-11-24T08:00Z", "-7d"])]
Origin = Annotated[str, Field(max_length=20_000, examples=["KP", "AS131279", "175.45.176.0/22", "class:tor-exit"])]
Name = Annotated[str, Field(max_length=200)]
ROWS_A_PAGE = 1000


def _digest(text: str) -> str:
    """What a log may say of content: its length and hash."""
    content = text.encode("utf-8", "surrogatepass")
    return f"{len(content):,} bytes, BLAKE2b {hashlib.blake2b(content, digest_size=16).hexdigest()}"


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @classmethod
    def put(cls, **given: Any) -> Self:
        """Return the question of a command line's options; those that were not given have their defaults.

        Raises:
            UsageError: one is out of its bounds.
        """
        try:
            return cls.model_validate({name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            option = str(first["loc"][0]).rstrip("_").replace("_", "-") if first["loc"] else "question"
            raise UsageError(f"Invalid {option}: {first['msg'][:1].lower()}{first['msg'][1:]}.") from None

    def told(self) -> dict[str, Any]:
        """The question for a log: what was set, without content that is not for others."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


class _Timed(_Question):
    since: Time | None = Field(default=None, description="From this time on: RFC 3339, seconds, or relative as -7d.")
    until: Time | None = Field(default=None, description="Before this time.")


class _Selected(_Timed):
    from_: Origin | None = Field(default=None, alias="from", description="Country, AS, prefix or class; a union.")
    watch: Name | None = Field(default=None, description="Traffic with a watched asset.")
    where: Text | None = Field(default=None, description="A boolean SQL expression over flow columns.")
    direction: Direction = "in"
    explain: bool = Field(default=False, description="Say what was read.")


class AskQuestion(_Selected):
    """Was there a surge?"""

    metric: Literal["bytes", "packets", "flows", "hosts", "all"] = "bytes"
    wide: bool = Field(default=False, description="Also prefixes that display another origin but can be this one.")
    baseline: Annotated[str, Field(max_length=16)] = "28d"
    false_alarm: Annotated[float, Field(ge=FALSE_ALARMS[0], le=FALSE_ALARMS[1])] = 0.01
    power: Annotated[float, Field(ge=POWERS[0], le=POWERS[1])] = 0.95
    would_have_seen: list[Annotated[str, Field(max_length=64, examples=["40MB/2h"])]] = Field(default=[], max_length=20)
    alarms: Annotated[str, Field(max_length=32, examples=["1/month"])] | None = None
    false_discovery: Annotated[float, Field(ge=FALSE_DISCOVERIES[0], le=FALSE_DISCOVERIES[1])] | None = None
    chart: bool = Field(default=False, description="Also the series with its levels, and what would have been seen.")


class SeriesQuestion(_Selected):
    """An amount over time."""

    metric: Metric = "bytes"
    width: Annotated[str, Field(max_length=16)] = "5m"


class TopQuestion(_Timed):
    """The groups with the largest sums."""

    by: list[Annotated[str, Field(max_length=32)]] = Field(min_length=1, max_length=8, examples=[["far_country"]])
    where: Text | None = None
    metric: Metric = "bytes"
    n: Annotated[int, Field(ge=1, le=MOST_GROUPS)] = 10
    explain: bool = False


class CoverageQuestion(_Timed):
    """What was seen, and when we were blind."""


class FlowsQuestion(_Timed):
    """Flows by start time, a page of them."""

    where: Text | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = ROWS_A_PAGE
    cursor: Annotated[str, Field(max_length=400)] | None = Field(default=None, description="Where the last page ended.")


class HuntQuestion(_Timed):
    """Hosts that send out, pass on, are commanded, or scan."""

    kind: list[Literal["egress", "passthrough", "beacons", "scans"]] = Field(default=[], max_length=4)
    watch: Name | None = None


class LureQuestion(_Question):
    """Is this a lure: one mail (base64), text or link?"""

    mail: Annotated[str, Field(max_length=44_000_000, description="A mail or .msg file, base64.")] | None = None
    text: Annotated[str, Field(max_length=200_000, description="A chat message or post.")] | None = None
    url: Annotated[str, Field(max_length=8000)] | None = None
    name: Annotated[str, Field(max_length=255, description="What it is to be called.")] = "it"
    sweep: bool = Field(default=False, description="Also look for hosts of ours that went where it leads.")

    def told(self) -> dict[str, Any]:
        given = super().told()
        for name in ("mail", "text"):
            if name in given:
                given[name] = _digest(given[name])
        return given


class LeakQuestion(_Question):
    """Whose data lie in this file?"""

    content: Annotated[str, Field(max_length=88_000_000, description="The file, base64.")]
    name: Annotated[str, Field(max_length=255, description="What it is to be called.")] = "it"

    def told(self) -> dict[str, Any]:
        return {"name": self.name, "content": _digest(self.content)}


class OriginsQuestion(_Question):
    """Every prefix by which an origin can show itself."""

    of: Origin
    at: Time | None = None


class OriginQuestion(_Question):
    """What an address displays, and how far to believe it."""

    address: Annotated[str, Field(max_length=64)]
    at: Time | None = None


class WorldQuestion(_Timed):
    """Every country's amount over time, beside what its own history lets expect."""

    direction: Literal["in", "out"] = "in"
    metric: Literal["bytes", "packets", "flows"] = "bytes"
    baseline: Annotated[str, Field(max_length=16)] = "28d"


class NamesQuestion(_Timed):
    """Names that a host asked for, and that led to it."""

    address: Annotated[str, Field(max_length=64)]


class ReachQuestion(_Question):
    """Over which upstreams a country or AS was reached, over time."""

    of: Origin
    at: Time | None = None
