"""A build that is killed, or has no space, at any of its steps: the old output is whole, or the new one is."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from policyc.compiler import output_folder
from policyc.compiler.folder_exchange import locked, settle_file_system, settles_at_once
from policyc.compiler.output_folder import CannotWrite, Output, changes, staged, write, writing

from .conftest import GOOD, Ran
from .faults import Fault, run

Tree = dict[str, tuple[int, bytes]]

OLD = Output(
    {
        "edge.conf": (b"old" * 4000, 0o644),
        "certs/shop.pem": (b"old certificate", 0o644),
        "gone/only.map": (b"no longer written", 0o644),
        "run.sh": (b"#!", 0o755),
        "manifest.json": (
            b'{"files": {"edge.conf": {}, "certs/shop.pem": {}, "gone/only.map": {}, "run.sh": {}}, "keys": []}',
            0o644,
        ),
    },
    (),
)
NEW = Output(
    {
        "edge.conf": (b"new" * 4000, 0o644),
        "certs/shop.pem": (b"new certificate", 0o644),
        "certs/more.pem": (b"another", 0o644),
        "run.sh": (b"#!", 0o755),
        "manifest.json": (
            b'{"files": {"edge.conf": {}, "certs/shop.pem": {}, "certs/more.pem": {}, "run.sh": {}}, "keys": []}',
            0o644,
        ),
    },
    (),
)
OPERATORS = {"certs/shop.key": b"the operator's key", "logs/access.log": b"lines"}
"""Files that somebody else put into the folder."""


def tree(folder: Path) -> Tree:
    """Everything below a folder: modes and contents; of links where they lead."""
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (0, os.readlink(path).encode())
        elif path.is_dir():
            found[name + "/"] = (stat.S_IMODE(path.stat().st_mode), b"")
        else:
            found[name] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def place(folder: Path) -> None:
    """The old output, with the operator's files in it."""
    write(str(folder), OLD)
    for name, data in OPERATORS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    (folder / "empty").mkdir(mode=0o750)
    (folder / "logs" / "latest").symlink_to("access.log")
    (folder / "live").symlink_to("certs")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk changes nothing that these tests see; it is still a step to be stopped at."""

    def settled(_: int) -> None:
        pass

    monkeypatch.setattr(os, "fsync", settled)


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Tree, Tree]:
    """What the folder holds before and after a build that nothing stops."""
    folder = tmp_path / "well" / "edge"
    place(folder)
    before = tree(folder)
    write(str(folder), NEW)
    after = tree(folder)
    assert {name: after[name][1] for name in OPERATORS} == OPERATORS
    assert after["empty/"][0] == 0o750
    assert (after["logs/latest"][1], after["live"][1]) == (b"access.log", b"certs")
    assert "gone/" not in after
    assert os.listdir(tmp_path / "well") == ["edge"]
    return before, after


@pytest.mark.parametrize("half", [False, True])
def test_killed_at_any_step(tmp_path: Path, trees: tuple[Tree, Tree], half: bool) -> None:
    states: list[str] = []
    for at in range(10_000):
        folder = tmp_path / str(at) / "edge"
        place(folder)
        ended = run(partial(write, str(folder), NEW), Fault(at, half=half))
        states.append(("old", "new")[trees.index(tree(folder))])
        # The next build succeeds, and nothing is left of the one that was killed.
        write(str(folder), NEW)
        assert tree(folder) == trees[1]
        assert os.listdir(folder.parent) == ["edge"]
        if not ended.killed:
            break
    assert len(states) > 40, "there must be many steps to be killed at"
    assert states == sorted(states, reverse=True), "first old, then new, and never old again"
    print(f"killed at {len(states) - 1} steps")


def test_killed_at_any_step_of_the_first_build(tmp_path: Path) -> None:
    killed = 0
    for at in range(10_000):
        folder = tmp_path / str(at) / "edge"
        folder.parent.mkdir()
        ended = run(partial(write, str(folder), NEW), Fault(at))
        assert not folder.exists() or set(tree(folder)) >= set(NEW.files)
        write(str(folder), NEW)
        assert os.listdir(folder.parent) == ["edge"]
        if not ended.killed:
            break
        killed += 1
    assert killed > 20


def test_killed_at_any_step_where_names_cannot_be_exchanged(tmp_path: Path, trees: tuple[Tree, Tree]) -> None:
    absent = 0
    for at in range(10_000):
        folder = tmp_path / str(at) / "edge"
        place(folder)
        ended = run(partial(write, str(folder), NEW), Fault(at, exchange=False))
        absent += not folder.exists()
        assert not folder.exists() or tree(folder) in trees
        write(str(folder), NEW)
        assert tree(folder) == trees[1], "the operator's files must be back"
        assert os.listdir(folder.parent) == ["edge"]
        if not ended.killed:
            break
    assert absent == 1, "between two renames, and at no other step"


@pytest.mark.parametrize(
    ("error", "once"), [(errno.ENOSPC, False), (errno.EROFS, False), (errno.EIO, False), (errno.EIO, True)]
)
@pytest.mark.parametrize("exchange", [True, False])
def test_an_error_at_any_step(tmp_path: Path, trees: tuple[Tree, Tree], error: int, once: bool, exchange: bool) -> None:
    refused = 0
    for at in range(10_000):
        folder = tmp_path / str(at) / "edge"
        place(folder)
        ended = run(partial(write, str(folder), NEW), Fault(at, error, once, exchange=exchange))
        assert not ended.killed
        if ended.refused is None:
            assert tree(folder) == trees[1]
        else:
            refused += 1
            assert ended.refused == f"cannot write {folder}: {os.strerror(error).lower()}"
            # With the last steps refused a folder that could not be put back may be beside; it is put back next time.
            assert tree(folder) in trees or (not exchange and not once and not folder.exists())
        write(str(folder), NEW)
        assert tree(folder) == trees[1]
        assert os.listdir(folder.parent) == ["edge"]
        if ended.steps <= at:
            break
    assert refused > 10


def test_an_error_in_one_target_leaves_all_as_they_were(tmp_path: Path) -> None:
    def both(folders: Sequence[Path]) -> None:
        with ExitStack() as stack:
            new = [stack.enter_context(staged(str(folder), NEW)) for folder in folders]
            assert [tree(folder) for folder in folders] == before
            for one in new:
                one.put_in_place()

    refused = 0
    for at in range(10_000):
        folders = [tmp_path / str(at) / name for name in ("first", "second")]
        for folder in folders:
            place(folder)
        before = [tree(folder) for folder in folders]
        ended = run(partial(both, folders), Fault(at, errno.ENOSPC, once=True))
        changed = [tree(folder) != old for folder, old in zip(folders, before, strict=True)]
        # The files are written before the first folder is put in place; after that the second may still be refused.
        assert changed[1] == (ended.refused is None)
        assert sorted(os.listdir(tmp_path / str(at))) == ["first", "second"]
        refused += changed == [False, False]
        if ended.steps <= at:
            break
    assert refused > 2 * len(NEW.files)


@pytest.mark.parametrize("works", [True, False])
def test_many_files_are_waited_for_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    folder = tmp_path / "edge"
    place(folder)
    before = tree(folder)
    seen: list[Tree] = []

    def settled(path: str) -> None:
        assert tree(folder) == before
        seen.append(tree(Path(path)))
        if not works:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def one_by_one(_: int) -> None:
        waited.append(1)

    waited: list[int] = []
    monkeypatch.setattr(output_folder, "_FEW", 0)
    monkeypatch.setattr(output_folder, "settle_file_system", settled)
    monkeypatch.setattr(os, "fsync", one_by_one)
    if works:
        write(str(folder), NEW)
        assert tree(folder) == seen[0]
    else:
        with pytest.raises(CannotWrite, match="input/output error"):
            write(str(folder), NEW)
        assert tree(folder) == before
    assert set(seen[0]) >= {*NEW.files, *OPERATORS}, "all is there before it is waited for"
    assert len(waited) == works, "only for the folder that the new one was put into"
    assert os.listdir(tmp_path) == ["edge"]


def test_the_file_system_is_waited_for(tmp_path: Path) -> None:
    assert settles_at_once() == sys.platform.startswith("linux"), "the kernel here is not that old"
    settle_file_system(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        settle_file_system(str(tmp_path / "absent"))


def test_an_output_folder_that_nothing_came_into_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite), writing(str(tmp_path / "out")):
        raise CannotWrite
    assert not (tmp_path / "out").exists()


def test_a_second_build_at_the_same_time(
    write_policy: Callable[[str], Path], policyc: Callable[..., Ran], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert policyc("build", write_policy(GOOD), "-o", output).status == 0
    before = tree(output)
    with writing(str(output)):
        ran = policyc("build", write_policy(GOOD.replace("[shop.ex", "[x.ex")), "-o", output)
        assert ran.status == 1
        assert f"another build is writing to {output} at this moment; nothing was written" in ran.err
        assert tree(output) == before
    assert policyc("build", write_policy(GOOD.replace("[shop.ex", "[x.ex")), "-o", output).status == 0
    assert tree(output) != before


def test_the_lock_of_a_build_that_was_killed_is_gone(tmp_path: Path) -> None:
    def work() -> None:
        with locked(str(tmp_path)):
            (tmp_path / "x").mkdir()
            os.mkdir(tmp_path / "y")

    assert run(work, Fault(2)).killed
    assert (tmp_path / "x").exists()
    with locked(str(tmp_path)):
        pass


def test_a_file_that_policyc_did_not_write_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "edge"
    place(folder)
    (folder / "certs" / "more.pem").write_bytes(b"the operator's own")
    with pytest.raises(CannotWrite, match=r"more\.pem is in the way, and policyc did not write it"):
        write(str(folder), NEW)
    assert (folder / "certs" / "more.pem").read_bytes() == b"the operator's own"
    (folder / "certs" / "more.pem").write_bytes(b"another")
    write(str(folder), NEW)


def test_a_log_that_is_written_to_stays_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / "edge"
    place(folder)
    with open(folder / "logs" / "access.log", "ab") as log:
        write(str(folder), NEW)
        log.write(b" and more")
    assert (folder / "logs" / "access.log").read_bytes() == b"lines and more"


def test_sockets_and_pipes_of_a_running_proxy_go_along(tmp_path: Path) -> None:
    folder = tmp_path / "edge"
    place(folder)
    os.mkfifo(folder / "control")
    write(str(folder), NEW)
    assert stat.S_ISFIFO((folder / "control").stat().st_mode)


def test_a_link_to_the_folder_stays_one(tmp_path: Path) -> None:
    place(tmp_path / "real" / "edge")
    (tmp_path / "edge").symlink_to("real/edge")
    write(str(tmp_path / "edge"), NEW)
    assert (tmp_path / "edge").is_symlink()
    assert (tmp_path / "real" / "edge" / "edge.conf").read_bytes().startswith(b"new")
    assert os.listdir(tmp_path / "real") == ["edge"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(str(tmp_path / "public"), NEW)
        write(str(tmp_path / "private"), Output({**NEW.files, "certs/shop.key": (b"key", 0o600)}, ()))
    finally:
        os.umask(before)
    modes = {name: mode for name, (mode, _) in tree(tmp_path).items()}
    assert (modes["public/"], modes["public/certs/"], modes["public/edge.conf"]) == (0o755, 0o755, 0o644)
    assert (modes["private/"], modes["private/certs/"], modes["private/certs/shop.key"]) == (0o700, 0o700, 0o600)
    write(str(tmp_path / "public"), Output({**NEW.files, "certs/shop.key": (b"key", 0o600)}, ()))
    assert tree(tmp_path)["public/"][0] == 0o700, "an existing folder is closed when keys come into it"


def test_what_would_change_in_a_folder_that_is_a_link(tmp_path: Path) -> None:
    place(tmp_path / "edge")
    assert changes(str(tmp_path / "edge"), NEW)[0] == "+ certs/more.pem"
