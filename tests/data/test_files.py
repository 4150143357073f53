"""Frames in files."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from cellstate.data.files import read_frame, write_frame
from cellstate.errors import FrameError


@pytest.mark.parametrize("name", ["x.csv", "x.CSV.gz", "x.parquet"])
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, make: Any) -> None:
    columns = {"unique_id": ["a", "b"], "ds": [1, 2], "y": [0.5, -1.0]}
    write_frame(make(columns), tmp_path / name)
    assert read_frame(tmp_path / name).to_dict(as_series=False) == columns
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "", "3"], pl.Int64),
        (["1", "NA", "2.5"], pl.Float64),
        (["NaN", "null", ""], pl.Float64),
        (["1", "x", "3"], pl.String),
        (["true", "", "False"], pl.Boolean),
        (["2024-01-31", "", "2024-02-29"], pl.Date),
        (["2024-01-31 10:00", "2024-01-31 11:30"], pl.Datetime("us")),
        (["2024-01-31T10:00:00.5", "2024-01-31T11:30:00"], pl.Datetime("us")),
        (["2024-01-31T10:00:00Z", "2024-01-31T11:30:00+01:00"], pl.Datetime("us", "UTC")),
        (["2024-01", "2024-02"], pl.String),
        (["NA", "DE"], pl.String),
    ],
)
def test_columns_get_the_first_type_that_fits(
    tmp_path: Path, values: list[str], dtype: pl.DataType
) -> None:
    file = tmp_path / "x.csv"
    file.write_text("row,x\n" + "".join(f"{row},{value}\n" for row, value in enumerate(values)))
    column = read_frame(file)["x"]
    assert column.dtype == dtype
    if dtype == pl.String:
        assert column.to_list() == values  # NA is Namibia here


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "must be a file; got no file there. Check the path"),
        ("x.csv", b"", "must hold rows; got an empty file"),
        ("x.csv", b" \n\n", "must hold rows; got an empty file"),
        (
            "x.csv.gz",
            gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9],
            "must be a readable .csv.gz file; got",
        ),
        ("x.csv.gz", b"a,b\n1,2\n", "must be a readable .csv.gz file; got Not a gzipped file"),
        ("x.csv", b"a,b\n1,2,3\n", "must be a readable .csv file; got"),
        ("x.parquet", b"PAR1, no", "must be a readable .parquet file; got"),
        ("x.xlsx", b"", "must end in .csv, .csv.gz, .parquet; got '.xlsx'"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FrameError, match=message):
        read_frame(tmp_path / name)


def test_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a\n1\n")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FrameError, match=r"must be writable; got No space left on device\. Free"):
        write_frame(pl.DataFrame({"a": [2]}), file)
    assert file.read_text() == "a\n1\n"
    assert list(tmp_path.iterdir()) == [file]
