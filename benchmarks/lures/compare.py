"""Lure judgement beside SpamAssassin and rspamd on the same mails, and mails judged a second on one core.

    python -m benchmarks.lures.compare FOLDER > benchmarks/LURES.md

The peers are filters for spam, with local tests only (no DNS, no reputation, no training on these mails): what they
call spam is set beside "phishing or suspicious". Our row is by cross-validation, over five ways to draw the folds.
rspamd is asked where it listens on loopback (`rspamd -f`), SpamAssassin started once for all mails.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.lures.collection import read_collection
from benchmarks.lures.train import ROUNDS, crossed, prior, scores
from tidegauge.lure import Brands, Judge, read_brands
from tidegauge.lure.signals import GROUPS, NAMES

SPAM = 5.0
"""SpamAssassin's own threshold."""
Scores = dict[str, float]


def spamassassin(paths: list[Path]) -> tuple[Scores, float] | None:
    """Its scores by name and seconds; None where it is not installed."""
    if shutil.which("spamassassin") is None:
        return None
    box = b"".join(
        b"From x@y Tue Mar  3 09:12:00 2026\nX-Which: " + str(p).encode() + b"\n"
        + re.sub(rb"^From ", b">From ", p.read_bytes(), flags=re.MULTILINE) + b"\n\n"
        for p in paths
    )
    begun = time.perf_counter()
    told = subprocess.run(["spamassassin", "-L", "--mbox"], input=box, capture_output=True, check=True).stdout
    taken = time.perf_counter() - begun
    found, which = {}, ""
    for mail in told.split(b"\nFrom x@y ")[0:]:
        which_match, score = (
            re.search(rb"^X-Which: (.*)$", mail, re.MULTILINE),
            re.search(rb"X-Spam-Status: \w+, score=(-?[\d.]+)", mail),
        )
        which = which_match[1].decode().strip() if which_match else ""
        if which and score:
            found[which] = float(score[1])
    return found, taken


def rspamd(paths: list[Path]) -> tuple[Scores, float] | None:
    """Its scores, and seconds (in which it waits for names that nobody resolves); None where it doesn't answer."""
    if shutil.which("rspamc") is None:
        return None
    begun, found = time.perf_counter(), {}
    for path in paths:
        told = subprocess.run(
            ["rspamc", "-h", "127.0.0.1:11333", "symbols", str(path)], capture_output=True, text=True, check=False
        ).stdout
        score = re.search(r"^Score: (-?[\d.]+)", told, re.MULTILINE)
        if score is None:
            return None
        found[str(path)] = float(score[1])
    return found, time.perf_counter() - begun


def speed(paths: list[Path]) -> float:
    """Mails that one core judges in a second, by its own time; attachments stay shut (they have a process of their
    own)."""
    mails = [path.read_bytes() for path in paths]
    judge = Judge(Brands(read_brands()))
    judge.mail("first", mails[0])
    begun = time.process_time()
    for data in mails:
        judge.mail("it", data)
    return len(mails) / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    data = read_collection(folder)
    paths = [folder / name for name in data.names]
    bad = data.bad

    def row(name: str, found: np.ndarray, phishing: float | None, suspicious: float, more: str = "") -> None:
        cells = [
            f"{np.mean(found[bad] >= phishing):.1%}" if phishing is not None else "",
            f"{np.mean(found[bad] >= suspicious):.1%}",
            f"{np.mean(found[~bad] >= phishing):.1%}" if phishing is not None else "",
            f"{np.mean((found[~bad] >= suspicious) & (found[~bad] < (phishing or 1e9))):.1%}",
            f"{roc_auc_score(bad, found):.4f}", more,
        ]
        print(f"| {name} | " + " | ".join(cells[: 6 if more else 5]) + " |")

    print(
        f"# Lures\n\n{bad.sum()} lures and {(~bad).sum()} wanted mails in {len(set(data.groups))} campaigns;"
        " `python -m benchmarks.lures.compare FOLDER`. Ours by tenfold cross-validation that keeps a campaign together"
        " (mean of five draws), the peers with local tests only.\n\n"
        "| | lures called phishing | or suspicious (spam) | wanted called phishing | wanted called suspicious (spam)"
        " | area under the curve | mails/s |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    keep = np.ones(len(NAMES), bool)
    rate = speed(paths)

    def ours(kept: np.ndarray) -> np.ndarray:
        return np.concatenate([crossed(data, kept, seed)[None] for seed in range(ROUNDS)])

    def mean_row(name: str, runs: np.ndarray, more: str = "") -> None:
        every = [
            (np.mean(r[bad] >= 0.9), np.mean(r[bad] >= 0.4), np.mean(r[~bad] >= 0.9),
             np.mean((r[~bad] >= 0.4) & (r[~bad] < 0.9)), roc_auc_score(bad, r)) for r in runs
        ]
        a, b, c, d, e = np.mean(every, axis=0)
        print(f"| {name} | {a:.1%} | {b:.1%} | {c:.1%} | {d:.1%} | {e:.4f} |" + (f" {more} |" if more else ""))

    mean_row("tidegauge", ours(keep), f"{rate:.0f}")
    peers: list[tuple[str, Callable[[list[Path]], tuple[Scores, float] | None], float]] = [
        ("SpamAssassin, local tests", spamassassin, SPAM), ("rspamd, without DNS (spam: adds a header)", rspamd, 6.0),
    ]
    for name, peer, threshold in peers:
        given = peer(paths)
        if given is None:
            print(f"| {name} | not here | | | | | |")
            continue
        found = np.array([given[0][str(path)] for path in paths])
        row(name, found, None, threshold, f"{len(paths) / given[1]:.0f}" if peer is spamassassin else " ")
    bias, mean, _ = prior()
    print("\nWhat each group of signals carries: trained and judged without it.\n")
    print(
        "| | lures called phishing | or suspicious | wanted called phishing | wanted called suspicious"
        " | area under the curve |\n|---|---:|---:|---:|---:|---:|"
    )
    row("the prior alone, no training", scores(np.concatenate([[bias], mean]), data.values), 0.9, 0.4)
    for group, names in GROUPS.items():
        mean_row(f"without {group}", ours(np.array([name not in names for name in NAMES])))


if __name__ == "__main__":
    main()
