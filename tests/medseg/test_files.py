"""Nothing half-written ever stands under a final name, whatever goes wrong on the way."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medseg.errors import StorageError
from medseg.files import atomic_path, check_writable, remove_leftovers, write_text_atomically


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "new" / "folder" / "mask.nii.gz"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_bytes() == b"half"
    assert list(path.parent.iterdir()) == [path]


def test_the_temporary_name_keeps_all_suffixes_and_is_hidden(tmp_path):
    with atomic_path(tmp_path / "case.1.nii.gz") as temporary:
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".case.1.nii.gz")
        temporary.touch()


def test_text_replaces_an_older_file_whole(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("a much longer older text")
    write_text_atomically(path, "Dice 0.9 µm³")
    assert path.read_text(encoding="utf-8") == "Dice 0.9 µm³"


@pytest.mark.parametrize("problem", [RuntimeError("a writer's own error"), KeyboardInterrupt()])
def test_any_error_leaves_the_old_file_and_no_new_one(tmp_path, problem):
    path = tmp_path / "mask.tif"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise problem

    with pytest.raises(type(problem)):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    def write_nothing():
        with atomic_path(tmp_path / "mask.tif"):
            pass

    with pytest.raises(StorageError, match=r"cannot write .*mask.tif: No such file or directory. Choose another place"):
        write_nothing()
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write .*mask.tif: (File exists|Not a directory)\. Something of"):
        write_text_atomically(tmp_path / "out" / "mask.tif", "x")


def test_a_folder_is_tried_before_the_work_and_nothing_stays_in_it(tmp_path):
    check_writable(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []
    (tmp_path / "file").write_text("a file")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            StorageError, match=r"cannot write .*: (File exists|Not a directory)\. Something of another"
        ):
            check_writable(folder)


def test_a_folder_where_the_file_should_be_stays(tmp_path):
    (tmp_path / "mask.tif").mkdir()
    with pytest.raises(StorageError, match=r"Is a directory. Something of another kind has that name: move it"):
        write_text_atomically(tmp_path / "mask.tif", "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "mask.tif"]


def test_an_input_that_is_missing_is_not_called_a_problem_of_the_output(tmp_path):
    def read_and_write():
        with atomic_path(tmp_path / "mask.tif") as temporary:
            temporary.write_bytes((tmp_path / "input.tif").read_bytes())

    with pytest.raises(FileNotFoundError, match=r"input.tif"):
        read_and_write()


def test_a_storage_error_from_within_keeps_its_words(tmp_path):
    def write():
        with atomic_path(tmp_path / "a"):
            message = "disk of the archive is full"
            raise StorageError(message)

    with pytest.raises(StorageError, match=r"^disk of the archive is full$"):
        write()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space or choose a folder on another disk"),
        (errno.EDQUOT, "Free some space or choose a folder on another disk"),
        (errno.EROFS, "Choose a folder that you may write to"),
        (errno.EIO, "Choose another place for it"),
    ],
)
def test_the_message_says_what_the_system_said_and_what_to_do(tmp_path, number, remedy):
    def write():
        with atomic_path(tmp_path / "mask.tif"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=rf"cannot write .*mask.tif: {os.strerror(number)}\. {remedy}"):
        write()


def test_a_folder_without_the_right_to_write_is_named(tmp_path):
    # In a process without root's rights, which would write anyway.
    folder = tmp_path / "locked"
    folder.mkdir()
    tmp_path.chmod(0o755)
    folder.chmod(0o555)
    drop = "import os\nif os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    process = _run(_writer(folder), before=drop)
    folder.chmod(0o755)
    assert process.returncode == 0, process.stderr
    assert "Permission denied. Choose a folder that you may write to." in process.stdout
    assert list(folder.iterdir()) == []


def test_a_file_that_may_not_grow_leaves_nothing_behind(tmp_path):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
    (tmp_path / "mask.bin").write_text("old")
    process = _run(_writer(tmp_path), before=limit)
    assert process.returncode == 0, process.stderr
    assert "mask.bin: File too large. Free some space or choose a folder on another disk." in process.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mask.bin"]
    assert (tmp_path / "mask.bin").read_text() == "old"


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path):
    """A real one: 64 kB of memory mounted as a disk, in a name space of its own so that nothing outlives the test."""
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    mount = f"mount -t tmpfs -o size=64k tmpfs '{tmp_path}'"
    try:
        subprocess.run([*unshare, "sh", "-c", mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"full disk: this system lets no test mount a disk ({error}); the limited file size stands in")
    shell = [*unshare, "sh", "-c", f'{mount} && printf old > "{tmp_path}/mask.bin" && exec "$@"', "sh"]
    process = _run(_writer(tmp_path) + _LISTING, prefix=shell)
    assert process.returncode == 0, process.stderr
    assert "mask.bin: No space left on device. Free some space or choose a folder on another disk." in process.stdout
    assert process.stdout.splitlines()[-1] == "left: mask.bin=old"


_LISTING = "print('left:', *[f'{path.name}={path.read_text()}' for path in target.parent.iterdir()])\n"


def _writer(folder: Path) -> str:
    """A script that writes 1 MB, prints the error that this must raise, and fails when none comes."""
    return f"""
import sys
from pathlib import Path
from medseg.errors import StorageError
from medseg.files import atomic_path
target = Path({str(folder)!r}) / "mask.bin"
try:
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for _ in range(256):
            file.write(bytes(4096))
except StorageError as error:
    print(error)
else:
    sys.exit("1 MB was written where it could not be")
"""


def _run(
    script: str, *, before: str = "", prefix: tuple[str, ...] | list[str] = ()
) -> subprocess.CompletedProcess[str]:
    # Imported before rights are dropped, while the installed packages can surely be read.
    imports = "import medseg.files, medseg.errors\n"
    command = [*prefix, sys.executable, "-c", imports + before + script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".0a1b2c3d.part.mask.nii.gz").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"a person's")
    (tmp_path / "mask.nii.gz").write_bytes(b"whole")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "mask.nii.gz"]
