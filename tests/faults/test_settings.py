"""Settings files that others may have written: they don't say what qsub is called with."""

from __future__ import annotations

import grp
import os
import pwd
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncjman.ownership import distrust
from tests.cli.tools import Jman, Result
from tests.faults.cell import Cell

EVIL = 'sge-extra-args-prepend = "-v LD_PRELOAD=/tmp/evil.so"\n'
STRANGER = 12345


@pytest.fixture
def project(jman: Jman, cell: Cell) -> Iterator[Path]:
    """A jman.toml above the folder of ``jman``, with an option of qsub."""
    # private settings, and no cluster but that of files
    jman.variables["XDG_CONFIG_HOME"] = str(jman.folder.parent / "config")
    file = jman.folder.parent / "jman.toml"
    file.write_text(EVIL)
    file.chmod(0o644)
    yield file
    assert cell.listed() == []


def own(jman: Jman, text: str) -> Path:
    """Write the user's own file."""
    file = Path(jman.variables["XDG_CONFIG_HOME"], "asyncjman", "config.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def preview(jman: Jman, *words: str, code: int = 0) -> Result:
    return jman("submit", "--dry-run", *words, "--", "true", code=code)


def assert_ignored(done: Result, file: Path, why: str) -> None:
    assert "LD_PRELOAD" not in done.out
    (line,) = done.err.splitlines()
    assert line.startswith(f"jman: {file} is ignored: ") and why in line and "trust" in line


def test_a_file_of_ones_own_counts(jman: Jman, project: Path) -> None:
    done = preview(jman)
    assert "-v LD_PRELOAD=/tmp/evil.so" in done.out
    assert done.err == ""


def test_a_file_that_everybody_may_write_is_ignored(jman: Jman, project: Path) -> None:
    project.chmod(0o666)
    assert_ignored(preview(jman), project, "everybody may write it (mode 0666)")


def test_a_file_that_a_group_may_write_is_ignored(jman: Jman, project: Path) -> None:
    shared = next(
        (gid for gid in os.getgroups() if grp.getgrgid(gid).gr_name != pwd.getpwuid(os.getuid()).pw_name),
        STRANGER if os.getuid() == 0 else None,
    )
    if shared is None:
        pytest.skip("this user is in no group with others")
    os.chown(project, -1, shared)
    project.chmod(0o664)
    assert_ignored(preview(jman), project, "may write it (mode 0664)")


def test_a_file_that_the_users_own_group_may_write_counts(jman: Jman, project: Path) -> None:
    me = pwd.getpwuid(os.getuid())
    if grp.getgrgid(me.pw_gid).gr_name != me.pw_name:
        pytest.skip("this user has no group of its own")
    os.chown(project, -1, me.pw_gid)
    project.chmod(0o664)
    assert "LD_PRELOAD" in preview(jman).out


def test_a_file_with_an_access_control_list(jman: Jman, project: Path) -> None:
    """The mode alone looks fine then: the group is the user's own."""
    everything = 0xFFFFFFFF
    entries = [(1, 6, everything), (2, 6, STRANGER), (4, 4, everything), (16, 6, everything)]
    entries.append((32, 4, everything))
    try:
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
        os.setxattr(project, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    assert_ignored(preview(jman), project, "access control list")


@pytest.mark.root
def test_a_file_of_another_user_is_ignored_and_the_next_one_above_counts(jman: Jman, project: Path) -> None:
    nearer = jman.folder / "jman.toml"
    nearer.write_text('queue = "evil.q"\n' + EVIL.replace("LD_PRELOAD", "OTHER"))
    os.chown(nearer, STRANGER, STRANGER)
    done = preview(jman)
    assert "OTHER" not in done.out and "LD_PRELOAD" in done.out
    assert f"{nearer} is ignored: it belongs to uid {STRANGER}" in done.err


@pytest.mark.root
def test_a_link_of_another_user_is_ignored(jman: Jman, project: Path) -> None:
    """It may lead to any of the user's own files."""
    nearer = jman.folder / "jman.toml"
    nearer.symlink_to(project)
    assert preview(jman).err == ""
    os.lchown(nearer, STRANGER, STRANGER)
    assert f"{nearer} is a symbolic link of another user (uid {STRANGER})" in preview(jman).err


@pytest.mark.root
def test_a_users_file_of_another_user_is_ignored(jman: Jman, project: Path) -> None:
    """As with sudo, which may keep HOME."""
    file = own(jman, 'queue = "evil.q"\ntrust = ["/"]\n')
    os.chown(file, STRANGER, STRANGER)
    project.unlink()
    done = preview(jman)
    assert "evil.q" not in done.out
    assert f"{file} is ignored" in done.err


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_trust_lets_a_file_in(jman: Jman, project: Path, what: str) -> None:
    project.chmod(0o666)
    trusted = {"file": project, "folder": project.parent, "link": project.parent.parent / "link"}[what]
    if what == "link":
        trusted.symlink_to(project.parent)
    own(jman, f'trust = ["/no/where", "{trusted}"]\n')
    done = preview(jman)
    assert "LD_PRELOAD" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('trust = "/project"', "trust is a list of paths"),
        ("trust = [1]", "trust is a list of paths"),
        ('trust = ["project"]', "trust needs whole paths"),
    ],
)
def test_a_trust_that_makes_no_sense(jman: Jman, project: Path, text: str, words: str) -> None:
    own(jman, text)
    assert words in preview(jman, code=2).err


def test_trust_counts_in_the_users_own_file_only(jman: Jman, project: Path) -> None:
    project.write_text('trust = ["/"]\n')
    assert "trust counts in" in preview(jman, code=2).err


@pytest.mark.parametrize(
    "text",
    [
        'sge-extra-args-prepend = "-jsv /tmp/evil.sh"',
        "sge_extra-args_default = \"-q all.q '-jsv' /tmp/evil.sh\"",
        '[resources]\nprepend = ["-jsv", "/tmp/evil.sh"]',
        '[profiles.p]\nsge-extra-args-default = "-jsv /tmp/evil.sh"',
        '[profiles.p.resources]\nprepend = ["-jsv", "/tmp/evil.sh"]',
    ],
)
@pytest.mark.parametrize("where", ["own", "project"])
def test_no_file_has_qsub_run_a_program(jman: Jman, project: Path, text: str, where: str) -> None:
    project.write_text(text if where == "project" else "")
    file = own(jman, text if where == "own" else "[profiles.p]\n")
    done = preview(jman, "--profile", "p", code=2)
    assert f"{project if where == 'project' else file}: -jsv" in done.err
    assert "evil" not in done.out


def test_the_command_line_may_have_qsub_run_a_program(jman: Jman, project: Path) -> None:
    assert "-jsv /tmp/mine.sh" in preview(jman, "--sge-extra-args", "-jsv /tmp/mine.sh").out


def test_a_pipe_in_place_of_a_file_does_not_hang(jman: Jman, project: Path) -> None:
    os.mkfifo(jman.folder / "jman.toml")
    assert "LD_PRELOAD" in preview(jman).out


@pytest.mark.parametrize(
    ("uid", "mode", "private", "acl", "against"),
    [
        (7, 0o600, False, False, None),
        (7, 0o644, False, True, None),
        (0, 0o644, False, False, None),
        (7, 0o664, True, False, None),
        (7, 0o664, False, False, "the group"),
        (7, 0o664, True, True, "access control list"),
        (7, 0o622, True, False, "everybody"),
        (8, 0o600, True, False, "it belongs to"),
    ],
)
def test_whose_a_file_is(uid: int, mode: int, private: bool, acl: bool, against: str | None) -> None:
    found = os.stat_result((0o100000 | mode, 1, 1, 1, uid, 9, 0, 0, 0, 0))
    said = distrust(found, {7, 0}, acl=acl, is_private=lambda gid, uid: private)
    assert said is None if against is None else against in (said or "")


def test_settings_hold_for_this_machine(jman: Jman) -> None:
    (jman.folder / "jman.toml").write_text('log-dir = "mine"\nparallel = 2\n')
    jman.submit("-t", "2", "-n", "pair", "sh", "-c", "touch $SGE_TASK_ID; until [ -e 1 -a -e 2 ]; do :; done")
    jman("execute")
    assert sorted(path.name for path in (jman.folder / "mine").glob("*.o*")) == ["pair.o1.1", "pair.o1.2"]
    jman.submit("-l", "given", "-n", "one", "true")
    jman("execute")
    assert (jman.folder / "given" / "one.o2").exists()


def test_a_file_for_all_users_is_read_first(jman: Jman) -> None:
    site = jman.folder / "site"
    (site / "asyncjman").mkdir(parents=True)
    (site / "asyncjman" / "config.toml").write_text('log-dir = "of-the-site"\nparallel = "auto"\n')
    jman.variables["XDG_CONFIG_DIRS"] = str(site)
    jman.submit("true")
    (jman.folder / "jman.toml").write_text('log-dir = "of-the-project"\n')
    jman.submit("true")
    jman("execute")
    assert (jman.folder / "of-the-site" / "true.o1").exists()
    assert (jman.folder / "of-the-project" / "true.o2").exists()
