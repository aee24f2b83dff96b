"""The spool: what was written whole is read, once and in order, whatever stands around it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings, strategies as st

from tidegauge.collect.mmsg import ENTRY, Batch
from tidegauge.collect.spool import DATA, Position, SpoolReader, SpoolWriter, batch_parts, file_path, spool_files


def batch(*payloads: bytes) -> Batch:
    entries = np.zeros(len(payloads), dtype=ENTRY)
    entries["length"] = [len(p) for p in payloads]
    return Batch(entries, b"".join(payloads))


def write(folder: Path, *batches: Batch) -> None:
    with SpoolWriter(folder, limit_bytes=1 << 30) as spool:
        for i, one in enumerate(batches):
            spool.write(DATA, len(one.entries), i, *batch_parts(one))


def read_all(reader: SpoolReader) -> list[bytes]:
    found = []
    while frames := reader.read():
        found += [bytes(frame.payloads) for frame in frames]
    return found


payloads = st.lists(st.binary(max_size=200), min_size=1, max_size=5)


@settings(deadline=None, max_examples=50)
@given(st.lists(payloads, min_size=1, max_size=8), st.data())
def test_a_torn_end_loses_only_itself(batches: list[list[bytes]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *(batch(*p) for p in batches))
        path = file_path(folder, spool_files(folder)[0])
        size = path.stat().st_size
        cut = data.draw(st.integers(0, size))
        with path.open("r+b") as file:
            file.truncate(cut)
        write(folder, batch(b"after the crash"))
        reader = SpoolReader(folder, Position())
        found = read_all(reader)
        whole = [b"".join(p) for p in batches]
        assert found == [*whole[: len(found) - 1], b"after the crash"]
        assert read_all(reader) == []


@settings(deadline=None, max_examples=50)
@given(st.lists(payloads, min_size=2, max_size=6), st.data())
def test_damage_in_the_middle_loses_no_other_frame(batches: list[list[bytes]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *(batch(*p) for p in batches))
        path = file_path(folder, spool_files(folder)[0])
        raw = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= 0x55
        path.write_bytes(raw)
        write(folder, batch(b"next"))
        found = read_all(SpoolReader(folder, Position()))
        whole = [b"".join(p) for p in batches]
        missing = [i for i in range(len(whole)) if [*whole[:i], *whole[i + 1 :], b"next"] == found]
        assert missing


def test_reading_goes_on_where_it_stopped_and_waits_for_what_is_being_written(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path, limit_bytes=1 << 30) as spool:
        spool.write(DATA, 1, 1, *batch_parts(batch(b"one")))
        reader = SpoolReader(tmp_path, Position())
        assert read_all(reader) == [b"one"]
        spool.write(DATA, 1, 2, *batch_parts(batch(b"two")))
        assert read_all(SpoolReader(tmp_path, reader.position)) == [b"two"]
        path = file_path(tmp_path, spool_files(tmp_path)[0])
        with path.open("ab") as file:
            file.write(b"TGF1 half a frame")
        assert read_all(reader) == [b"two"]
        assert reader.torn_bytes == 0


def test_a_full_spool_says_so_until_files_go(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path, limit_bytes=1000) as spool:
        spool.write(DATA, 1, 1, *batch_parts(batch(bytes(2000))))
        assert spool.full
        file_path(tmp_path, spool_files(tmp_path)[0]).unlink()
        spool._measured_s = 0.0
        assert not spool.full
