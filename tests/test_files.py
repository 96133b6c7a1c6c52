"""Files: whole or not at all, and an error that names the path."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scalargrad.files import check_writable, write_whole


def test_text_and_bytes_are_written_and_leave_nothing_beside_them(tmp_path):
    assert write_whole(tmp_path / "a.txt", "δ") == tmp_path / "a.txt"
    write_whole(tmp_path / "a.txt", b"again")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"again")]


@pytest.mark.parametrize("path", [".", "", "/"])
def test_a_path_without_a_name_is_a_directory(path):
    with pytest.raises(IsADirectoryError, match="cannot write the file: it is a directory") as caught:
        write_whole(path, "text")
    assert caught.value.filename == str(Path(path))


@pytest.mark.parametrize("name", ["no/x.svg", "file/x.svg", "folder", "link", "read-only", "a" * 300, "pipe"])
def test_what_cannot_be_written_is_known_before(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("no/there")
    (tmp_path / "read-only").touch(0o444)
    os.mkfifo(tmp_path / "pipe")
    told = []
    for refuse in (check_writable, lambda path: write_whole(path, "text")):
        with pytest.raises(OSError, match="cannot write the file: ") as caught:
            refuse(tmp_path / name)
        told.append(str(caught.value))
    assert told[0] == told[1]
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new")


def test_a_directory_is_left_as_it_was(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=f"cannot write the file: .*{tmp_path}/folder"):
        write_whole(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path):
    """Before: the link became a file, and the file that it pointed to kept the old text."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "there" / "target.txt")
    (tmp_path / "dangling.txt").symlink_to("there/new.txt")
    assert write_whole(tmp_path / "link.txt", "new") == tmp_path / "link.txt"
    write_whole(tmp_path / "dangling.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "dangling.txt").is_symlink()
    assert [path.read_text() for path in sorted((tmp_path / "there").iterdir())] == ["new", "new"]


def test_a_file_keeps_its_mode_and_a_new_one_gets_that_of_the_process(tmp_path):
    """Before: 0600 became 0644."""
    path = tmp_path / "secret.txt"
    path.write_text("old")
    path.chmod(0o600)
    write_whole(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    (tmp_path / "usual.txt").write_text("")
    write_whole(tmp_path / "new.txt", "new")
    assert (tmp_path / "new.txt").stat().st_mode == (tmp_path / "usual.txt").stat().st_mode


def test_a_read_only_file_is_refused(tmp_path):
    """Before: it was overwritten."""
    path = tmp_path / "key.txt"
    path.write_text("old")
    path.chmod(0o400)
    with pytest.raises(PermissionError, match="cannot write the file: it is read-only"):
        write_whole(path, "new")
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_what_is_no_regular_file_is_refused_and_left(tmp_path):
    """Before: a FIFO, and /dev/null for root, became a file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="cannot write the file: it is no regular file"):
        write_whole(tmp_path / "pipe", "text")
    with pytest.raises(OSError, match="no regular file"):
        write_whole(os.devnull, "text")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 1


def test_threads_that_write_one_path_never_collide_and_readers_see_whole_files(tmp_path):
    """Before: 162 of 600 writes raised, and 39 of 430 reads found half a file."""
    path = tmp_path / "shared.txt"
    texts = [str(number) * 20_000 for number in range(8)]
    write_whole(path, texts[0])
    with ThreadPoolExecutor(8) as pool:
        written = pool.map(lambda number: write_whole(path, texts[number % 8]), range(120))
        seen = list(pool.map(lambda _: path.read_text(), range(120)))
        assert list(written) == [path] * 120
    assert set(seen) <= set(texts)
    assert [found.name for found in tmp_path.iterdir()] == ["shared.txt"]


def test_what_a_killed_process_left_is_cleared_by_the_next_write(tmp_path):
    """Before: it stayed for ever. What a process is writing at this moment is left alone."""
    path = tmp_path / "graph.svg"
    kill = "import os, sys; os.fsync = lambda _: os.kill(os.getpid(), 9); from scalargrad.files import write_whole"
    killed = subprocess.run([sys.executable, "-c", f"{kill}; write_whole(sys.argv[1], 'x')", str(path)])
    assert killed.returncode == -9
    (part,) = tmp_path.iterdir()
    (tmp_path / ".other.svg.1.part").touch()
    write_whole(path, "whole")
    assert part.exists()  # it may be a process at work
    os.utime(part, (0, 0))
    os.utime(tmp_path / ".other.svg.1.part", (0, 0))
    write_whole(path, "whole")
    assert sorted(found.name for found in tmp_path.iterdir()) == [".other.svg.1.part", "graph.svg"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    assert write_whole(tmp_path / ("n" * 250), "text").read_text() == "text"
