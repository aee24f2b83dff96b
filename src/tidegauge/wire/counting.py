"""What an exporter's sequence numbers count: learned from the numbers, since not all count what the standard says.

RFC 7011 (IPFIX) and NetFlow v5 count flow records, RFC 3954 (NetFlow v9) and sFlow datagrams. softflowd before 0.9.9
counted records in v9 and messages in IPFIX; others write the same number always. Read by a wrong rule such numbers
show losses that were none, or none where half was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STANDARD, RECORDS, MESSAGES, RECORDS_TOO, NOTHING, TEMPLATES_TOO, UNKNOWN, SETS, DATA_SETS = range(9)
"""Rules: what the protocol's standard says, flow records before the message, messages, flow records with those of the
message itself, nothing (always the same number), data records and templates, none (which fits nothing), sets, sets of
data."""
RULES = 9
UNREADABLE = (NOTHING, SETS, DATA_SETS)
"""Rules that do not tell how many records were lost."""
ENOUGH, LEAST_FITS, LEAST_SHARE = 8, 4, 0.25
"""Another rule than the standard's needs so many steps that tell them apart, so many of which (and this share) fit it,
and twice as many as fit the standard's."""
ENOUGH_UNKNOWN, ENOUGH_MESSAGES, FEWEST_SHARE, BEHIND_SHARE = 16, 4, 0.1, 0.25
"""After so many steps (fewer of messages) of which less than this share fits the standard's rule, and this share
advances by less than it says, no rule fits. Records that only ever advance by more are those of a stream that loses
much; messages that never advance by one count something else, or two rules would fit."""
LEAST_TOLD, ALL_FIT = 2, 0.9
"""Fewer steps that tell a rule from the standard's are enough where they all fit it, and this share of all steps."""
MIXED_SHARE, SAME_SHARE = 0.1, 0.25
"""No rule fits where this share of the steps that tell one from the standard's fits either, nor where so many advance
by the same though they should differ."""
LEAST_ELSEWHERE, MOST_COUNTS = 2, 256
"""Where the standard counts messages, records have to fit so many messages of other than the one most frequent count
of records: of messages that are all alike, each second one with two records shows the same numbers as all with one."""
REMEMBERED = 4096
"""Older steps count half whenever so many have been seen: an exporter may be upgraded."""


@dataclass
class Counting:
    """The evidence of one stream.

    Attributes:
        steps: steps seen between two numbers.
        behind: of them those that advance by less than the standard says.
        telling, fits, standard: by rule, steps of which it says something else than the standard's, those of them that
            fit it, and those that fit the standard's (for the standard itself: all that fit it).
        matched: by rule, steps that fit it, whether or not they tell it from the standard's.
        seen, due: how far steps advanced, and should have by the standard; how often each.
        by_count: by rule that counts records where the standard counts messages: by how far a step should advance by
            it, the steps that tell the two apart, and those of them that fit it.
        of_messages: steps of which the standard counts one and records would count more.
        of_templates: steps that tell records from records and templates.
        last: the last number, and by rule how far it should advance; empty where not known.
        rule: what the numbers count, as far as is known.
    """

    steps: int = 0
    behind: int = 0
    telling: list[int] = field(default_factory=lambda: [0] * RULES)
    fits: list[int] = field(default_factory=lambda: [0] * RULES)
    standard: list[int] = field(default_factory=lambda: [0] * RULES)
    matched: list[int] = field(default_factory=lambda: [0] * RULES)
    seen: dict[int, int] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    by_count: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    of_messages: int = 0
    of_templates: int = 0
    last: list[int] = field(default_factory=list)
    rule: int = STANDARD

    def __post_init__(self) -> None:
        self.seen, self.due = ({int(v): n for v, n in c.items()} for c in (self.seen, self.due))
        self.by_count = {  # keys are texts in a checkpoint
            int(rule): {int(count): found for count, found in counts.items()} for rule, counts in self.by_count.items()
        }
        for counts in (self.telling, self.fits, self.standard, self.matched):  # kept by a version that knew fewer rules
            counts += [0] * (RULES - len(counts))

    def learn(
        self, numbers: NDArray[np.int64], expected: NDArray[np.int64], unsure: NDArray[np.bool_], *,
        of_messages: bool = False,
    ) -> None:
        """Take more numbers of the stream into account, in order of arrival.

        Args:
            numbers: shape (n,), modulo 2^32.
            expected: by how much each advances the sequence by each rule; shape (RULES, n). By `RECORDS_TOO` a number
                stands for the one before it, advanced by the records of its own message.
            unsure: whose step is not known; shape (n,).
            of_messages: the standard counts messages.
        """
        if len(self.last) == 1 + RULES:
            numbers = np.r_[self.last[0], numbers]
            expected = np.concatenate([np.array(self.last[1:], dtype=np.int64)[:, None], expected], axis=1)
            unsure = np.r_[False, unsure]
        self.last = [] if unsure[-1] else [int(numbers[-1]), *expected[:, -1].tolist()]
        known = ~unsure[:-1]
        by_rule = expected[:, :-1].copy()
        by_rule[RECORDS_TOO] = expected[RECORDS_TOO, 1:]
        advanced = (np.diff(numbers) + 0x80000000) % 0x100000000 - 0x80000000
        moved = (advanced == by_rule)[:, known]
        telling = (by_rule != by_rule[STANDARD])[:, known]
        self.steps += moved.shape[1]
        self.behind += int((advanced < by_rule[STANDARD])[known].sum())
        self.standard[STANDARD] += int(moved[STANDARD].sum())
        for counted, values in ((self.seen, advanced[known]), (self.due, by_rule[STANDARD][known])):
            if len(values) and values.min() == values.max():  # mostly, where messages are counted
                some = np.array([values[0]]), np.array([len(values)])
            else:
                some = np.unique(values, return_counts=True)
            for value, count in zip(*(found.tolist() for found in some), strict=True):
                if value in counted or len(counted) < MOST_COUNTS:
                    counted[value] = counted.get(value, 0) + count
        for rule in range(1, RULES):
            self.telling[rule] += int(telling[rule].sum())
            self.fits[rule] += int((telling[rule] & moved[rule]).sum())
            self.standard[rule] += int((telling[rule] & moved[STANDARD]).sum())
            self.matched[rule] += int(moved[rule].sum())
        if of_messages:
            for rule in (RECORDS, RECORDS_TOO, TEMPLATES_TOO):
                if self.fits[rule]:
                    self._by_count(rule, by_rule[rule][known][telling[rule]], moved[rule][telling[rule]])
        self.of_messages += int((by_rule[RECORDS] > by_rule[STANDARD])[known].sum())
        self.of_templates += int((by_rule[TEMPLATES_TOO] != by_rule[RECORDS])[known].sum())
        self.rule = self._best()
        if self.steps >= REMEMBERED:
            self.steps, self.behind = self.steps // 2, self.behind // 2
            self.of_messages, self.of_templates = self.of_messages // 2, self.of_templates // 2
            self.seen, self.due = ({v: n // 2 for v, n in c.items() if n > 1} for c in (self.seen, self.due))
            for counts in (self.telling, self.fits, self.standard, self.matched):
                counts[:] = [count // 2 for count in counts]
            for by_count in self.by_count.values():
                for count, found in list(by_count.items()):
                    by_count[count] = [steps // 2 for steps in found]

    def _by_count(self, rule: int, counts: NDArray[np.int64], fit: NDArray[np.bool_]) -> None:
        known = self.by_count.setdefault(rule, {})
        for count in np.unique(counts).tolist():
            if count in known or len(known) < MOST_COUNTS:
                found = known.setdefault(count, [0, 0])
                found[0] += int((counts == count).sum())
                found[1] += int((fit & (counts == count)).sum())

    def _fits_elsewhere(self, rule: int) -> bool:
        """Whether a rule fits messages of other counts of records than the one at which it fits most often."""
        if rule not in self.by_count:
            return True
        found = sorted(self.by_count[rule].values(), key=lambda steps: steps[1])[:-1]
        telling, fits = (sum(steps[i] for steps in found) for i in (0, 1))
        return fits >= max(LEAST_ELSEWHERE, LEAST_SHARE * telling)

    def _of_records(self) -> int:
        """Which of the rules that count records fits, by the steps behind messages with templates."""
        more = self.fits[TEMPLATES_TOO] - self.fits[RECORDS]
        if more >= max(LEAST_FITS, LEAST_SHARE * self.of_templates):
            return TEMPLATES_TOO
        neither = self.of_templates >= ENOUGH and -more < FEWEST_SHARE * self.of_templates
        return UNKNOWN if neither else RECORDS

    def _best(self) -> int:
        better = [rule for rule in range(1, RULES) if self._fits_better(rule)]
        if better and not (better := [rule for rule in better if self._fits_elsewhere(rule)]):
            return UNKNOWN  # what fits may be regular loss
        if better:
            best = max(better, key=lambda rule: self.fits[rule])
            if best in (RECORDS, TEMPLATES_TOO) and RECORDS in better:
                best = self._of_records()
            return UNKNOWN if best in UNREADABLE else best
        if self._fits_none():
            return UNKNOWN
        return next((UNKNOWN if r in UNREADABLE else r for r in range(1, RULES) if self._fits_all(r)), STANDARD)

    def _fits_better(self, rule: int) -> bool:
        """Whether many steps fit a rule, and more than fit the standard's."""
        fits, telling = self.fits[rule], self.telling[rule]
        return telling >= ENOUGH and fits >= max(LEAST_FITS, LEAST_SHARE * telling, 2 * self.standard[rule] + 1)

    def _fits_all(self, rule: int) -> bool:
        """Whether the few steps that tell a rule from the standard's all fit it, and nearly all others too."""
        fits, told = self.fits[rule], self.telling[rule]
        enough = told >= LEAST_TOLD and self.steps >= ENOUGH
        return enough and fits == told and self.matched[rule] >= ALL_FIT * self.steps

    def _fits_none(self) -> bool:
        same, due = (max(counted.values(), default=0) for counted in (self.seen, self.due))
        if self.steps >= ENOUGH_UNKNOWN and same >= max(LEAST_FITS, SAME_SHARE * self.steps, 2 * due + 1):
            return True  # they advance by the same, whatever comes
        for rule in range(1, RULES):
            least = max(LEAST_FITS, MIXED_SHARE * self.telling[rule])
            if self.telling[rule] >= ENOUGH and min(self.fits[rule], self.standard[rule]) >= least:
                return True  # now this, now that
        if self.standard[STANDARD] >= FEWEST_SHARE * self.steps:
            return False
        behind = self.steps >= ENOUGH_UNKNOWN and self.behind >= BEHIND_SHARE * self.steps
        return behind or self.of_messages >= ENOUGH_MESSAGES
