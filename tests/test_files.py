"""Files: whole or not at all, and an error that names the path."""

from pathlib import Path

import pytest

from scalargrad.files import write_whole


def test_text_and_bytes_are_written_and_leave_nothing_beside_them(tmp_path):
    assert write_whole(tmp_path / "a.txt", "δ") == tmp_path / "a.txt"
    write_whole(tmp_path / "a.txt", b"again")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"again")]


@pytest.mark.parametrize("path", [".", "", "/"])
def test_a_path_without_a_name_is_a_directory(path):
    with pytest.raises(IsADirectoryError, match="cannot write the file: it is a directory") as caught:
        write_whole(path, "text")
    assert caught.value.filename == str(Path(path))


def test_a_directory_is_left_as_it_was(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=f"cannot write the file: .*{tmp_path}/folder"):
        write_whole(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
