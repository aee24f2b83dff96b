"""Beside presidio-analyzer on the kinds that it knows, and beside gitleaks on keys and tokens; same texts, same run.

    python -m benchmarks.leaks.peers [--presidio PYTHON [--model NAME]] [--gitleaks PROGRAM]

PYTHON is an interpreter with presidio-analyzer: asked with its patterns alone, and with a model of spaCy where one is
there.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import string
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.leaks.innocent import KINDS as INNOCENT
from benchmarks.leaks.persons import FIELDS, named, persons
from tidegauge.content import Apart, Source, unpack_bytes
from tidegauge.leak import People, Scan

KNOWN = {"us-ssn": "US_SSN", "payment-card": "CREDIT_CARD", "iban": "IBAN_CODE", "national-id:ES": "ES_NIF",
         "national-id:FI": "FI_PERSONAL_IDENTITY_CODE", "national-id:PL": "PL_PESEL"}
PRESIDIO = '''
import json, sys, tempfile, time
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_analyzer.predefined_recognizers import *
import presidio_analyzer.predefined_recognizers as known
model, source = sys.argv[1], sys.argv[2]
if model == "none":
    import spacy
    model = tempfile.mkdtemp()
    spacy.blank("en").to_disk(model)
engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}).create_engine()
registry = RecognizerRegistry()
for name in ("UsSsnRecognizer", "CreditCardRecognizer", "IbanRecognizer", "EsNifRecognizer", "FiPersonalIdentityCodeRecognizer", "PlPeselRecognizer"):
    one = getattr(known, name)
    registry.add_recognizer(one(supported_language="en"))
analyzer = AnalyzerEngine(nlp_engine=engine, registry=registry)
texts = json.load(open(source))
begun = time.perf_counter()
found = [[(r.entity_type, t[r.start:r.end]) for r in analyzer.analyze(t, language="en", score_threshold=0.4)] for t in texts]
json.dump({"found": found, "s": time.perf_counter() - begun}, sys.stdout)
'''  # noqa: E501
Score = tuple[int, int, int, float]
"""Values found that are there, values that are there, values found that are none, seconds."""


def records(count: int, seed: int) -> tuple[list[str], dict[str, set[str]]]:
    """Persons as lines of label and value, and as many pieces of innocent text."""
    rows, valid = persons(count, seed)
    head, table = named(rows, 0)
    texts = ["\n".join(f"{k}: {v}" for k, v in zip(head, row, strict=True)) for row in table]
    r = random.Random(seed)
    kinds = list(INNOCENT.values())
    texts += ["\n".join(kinds[i % len(kinds)](r, i) for _ in range(5)) for i in range(count)]
    return texts, {kind: {_plain(v) for v in valid[kind]} for kind in FIELDS}


def _plain(value: str) -> str:
    return value.replace("-", "").replace(" ", "").upper()


def ours(texts: list[str]) -> tuple[dict[str, set[str]], float]:
    """Values by kind, and seconds; in this process, as presidio is measured."""
    found: dict[str, set[str]] = {}
    data = "\n\n\n".join(texts).encode()
    begun = time.perf_counter()
    scan = Scan(People(), match=lambda kind, value: found.setdefault(kind, set()).add(_plain(value)))
    with Apart(here=True) as apart:
        for one in unpack_bytes("x.txt", data, apart):
            if isinstance(one, Source):
                scan.source(one)
    return found, time.perf_counter() - begun


def presidio(python: str, model: str, texts: list[str]) -> tuple[dict[str, set[str]], float]:
    names = {name: kind for kind, name in KNOWN.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        done = subprocess.run([python, "-c", PRESIDIO, model, file.name], capture_output=True, check=True, text=True)
    told = json.loads(done.stdout)
    found: dict[str, set[str]] = {}
    for rows in told["found"]:
        for name, text in rows:
            found.setdefault(names[name], set()).add(_plain(text))
    return found, told["s"]


def tokens(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Keys and tokens of ten forms; and what looks like them and is none."""
    r = random.Random(seed)

    def some(alphabet: str, length: int) -> str:
        return "".join(r.choice(alphabet) for _ in range(length))

    word = string.ascii_letters + string.digits

    def github() -> str:
        body = some(word, 30)
        crc, text = zlib.crc32(body.encode()), ""
        digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
        while crc:
            crc, rest = divmod(crc, 62)
            text = digits[rest] + text
        return f"ghp_{body}{text.rjust(6, '0')}"

    def jwt() -> str:
        def part(told: dict[str, object]) -> str:
            return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")

        return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': some(string.digits, 10)})}.{some(word, 43)}"

    makers: list[Callable[[], str]] = [
        lambda: "AKIA" + some(string.ascii_uppercase + "234567", 16), github, lambda: "glpat-" + some(word, 20),
        lambda: f"xoxb-{some(string.digits, 12)}-{some(string.digits, 13)}-{some(word, 24)}",
        lambda: "AIza" + some(word, 35), lambda: "sk_live_" + some(word, 24), lambda: "npm_" + some(word, 36),
        lambda: f"SG.{some(word, 22)}.{some(word, 43)}", lambda: "dop_v1_" + some("0123456789abcdef", 64), jwt,
    ]
    decoys: list[Callable[[], str]] = [
        lambda: "AKIAIOSFODNN7EXAMPLE", lambda: "ghp_" + "x" * 36, lambda: "eyJ" + some(word, 20),
        lambda: some("0123456789abcdef", 40), lambda: "sk_live_" + "0" * 24,
        lambda: f"{some('0123456789abcdef', 8)}-{some('0123456789abcdef', 4)}-4abc-8def-{some('0123456789abcdef', 12)}",
        lambda: base64.b64encode(r.randbytes(30)).decode(),
    ]
    return [makers[i % len(makers)]() for i in range(count)], [decoys[i % len(decoys)]() for i in range(count)]


def row(name: str, score: Score, size: float) -> str:
    right, of, wrong, seconds = score
    precision = right / max(right + wrong, 1)
    return f"| {name} | {right:,} | {of:,} | {right / of:.1%} | {wrong} | {precision:.1%} | {size / seconds:.3f} |"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--presidio")
    options.add_argument("--model", help="of spaCy, for presidio")
    options.add_argument("--gitleaks")
    options.add_argument("--persons", type=int, default=2000)
    given = options.parse_args()
    texts, valid = records(given.persons, 3)
    size = sum(map(len, texts)) / 1e6
    print("| MB/s on | tidegauge | presidio, patterns | times |\n| --- | ---: | ---: | ---: |")
    r = random.Random(6)
    speeds = {"records, a value a line": texts[: given.persons], "innocent pieces, all kinds": texts[given.persons :]}
    for kind in ("prose", "access log", "code", "hex dump"):
        speeds[kind] = ["\n".join(INNOCENT[kind](r, i) for i in range(20)) for _ in range(given.persons)]
    for kind, some in speeds.items() if given.presidio else ():
        volume = sum(map(len, some)) / 1e6
        mine, theirs = ours(some)[1], presidio(given.presidio, "none", some)[1]
        print(f"| {kind} | {volume / mine:.2f} | {volume / theirs:.3f} | {theirs / mine:.0f} |", flush=True)
    print()
    rows: dict[str, tuple[dict[str, set[str]], float]] = {"tidegauge": ours(texts)}
    if given.presidio:
        rows["presidio, patterns"] = presidio(given.presidio, "none", texts)
        if given.model:
            rows[f"presidio, {given.model}"] = presidio(given.presidio, given.model, texts)
    print("| | found | of | recall | wrong | precision | MB/s |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, (found, seconds) in rows.items():
        right = sum(len(found.get(kind, set()) & valid[kind]) for kind in KNOWN)
        wrong = sum(len(found.get(kind, set()) - valid[kind]) for kind in KNOWN)
        print(row(name, (right, sum(len(valid[kind]) for kind in KNOWN), wrong, seconds), size))
    print("\n| kind | " + " | ".join(f"{name}: recall, wrong" for name in rows) + " |")
    print("| --- |" + " ---: |" * len(rows))
    for kind in KNOWN:
        told = [found.get(kind, set()) for found, _ in rows.values()]
        cells = [f"{len(f & valid[kind]) / len(valid[kind]):.1%}, {len(f - valid[kind])}" for f in told]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    real, false = tokens(2000, 4)
    lines = [f'key = "{value}"' for value in [*real, *false]]
    random.Random(1).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.txt"
        path.write_text("\n".join(lines))
        found_ours: set[str] = set()
        begun = time.perf_counter()
        scan = Scan(People(), match=lambda kind, value: found_ours.add(value) if kind == "secret" else None)
        with Apart(here=True) as apart:
            for one in unpack_bytes("config.txt", path.read_bytes(), apart):
                if isinstance(one, Source):
                    scan.source(one)
        secrets = {"tidegauge": (found_ours, time.perf_counter() - begun)}
        if given.gitleaks:
            report = Path(folder) / "report.json"
            begun = time.perf_counter()
            command = [given.gitleaks, "dir", folder, "--report-path", str(report), "--no-banner", "--exit-code", "0"]
            subprocess.run(command, check=True, capture_output=True)
            seconds = time.perf_counter() - begun
            secrets["gitleaks"] = {r["Secret"] for r in json.loads(report.read_text())}, seconds
        print("\n| keys and tokens | found | of | recall | wrong | precision | MB/s |\n"
              "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for name, (values, seconds) in secrets.items():
            right = len(values & set(real))
            wrong = len(values - set(real))
            print(row(name, (right, len(set(real)), wrong, seconds), path.stat().st_size / 1e6))


if __name__ == "__main__":
    main()
