"""`hunt`: which hunts are asked for, and of which time."""

from __future__ import annotations

from collections.abc import Callable

from tidegauge.app.questions import HuntQuestion
from tidegauge.context import SiteContext
from tidegauge.hunt import KINDS, Hunted, hunt as run_hunt


def hunt(here: SiteContext, question: HuntQuestion, progress: Callable[[str], None] = lambda kind: None) -> Hunted:
    """All hunts that are asked for, in one list.

    Raises:
        LakeError, UsageError: as `hunt.hunt`.
    """
    return run_hunt(
        here, tuple(question.kind) or tuple(KINDS), since_s=here.moment_s(question.since, "--since"),
        until_s=here.moment_s(question.until, "--until"), watch=question.watch, progress=progress,
    )
