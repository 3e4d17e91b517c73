"""Files that go with jobs: what can't be removed is told once, and hinders nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.tools import Jman, wait_until


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def folder_in_place_of(log: Path) -> None:
    log.unlink()
    log.mkdir()


def test_delete_tells_what_stays(jman: Jman) -> None:
    for _ in range(2):
        jman.submit("-l", "logs", "true")
    jman("execute")
    folder_in_place_of(jman.folder / "logs/true.o1")
    done = jman("delete", "1")
    assert done.err == f"jman: can't remove {jman.folder}/logs/true.o1: Is a directory\n"
    assert "deleted job 1 from database" in done.out
    assert jman("list").err == ""
    jman("delete")
    assert names(jman.folder) == ["logs"]
    assert names(jman.folder / "logs") == ["true.e1", "true.o1"]


def test_resubmit_tells_what_stays(jman: Jman) -> None:
    jman.submit("-l", "logs", "-t", "2", "false")
    jman("execute", code=1)
    folder_in_place_of(jman.folder / "logs/false.o1.1")
    done = jman("resubmit", "--clean")
    assert done.err == f"jman: can't remove {jman.folder}/logs/false.o1.1: Is a directory\n"
    assert done.out.startswith("Re-submitted job 1 ")


def test_the_folder_that_jobs_run_in_stays(jman: Jman, tmp_path: Path) -> None:
    """Also where it is the log folder too, and empty then."""
    place = tmp_path / "place"
    place.mkdir()
    jman.submit("--exec-dir", str(place), "-l", ".", "true")
    jman("execute")
    assert names(place) == ["true.e1", "true.o1"]
    jman("delete")
    assert names(place) == []


def test_what_waits_for_a_deleted_job_is_told_apart(jman: Jman) -> None:
    for _ in range(2):
        jman.submit("true")
    jman.submit("-x", "1", "true")
    jman.submit("-x", "1,2", "true")
    jman.submit("--after-ok", "1", "true")
    text = jman("delete", "1").out
    assert "  job 3 waited for it, and may run now\n" in text
    assert "  job 5 waited for its success, and is skipped\n" in text
    assert jman.status() == {2: "submitted", 3: "submitted", 4: "waiting", 5: "skipped"}
    jman("execute", code=1)
    assert jman.status() == {2: "success", 3: "success", 4: "success", 5: "skipped"}


def test_the_failure_of_a_job_holds_back_others_after_it_was_deleted(jman: Jman) -> None:
    """A killed execute had recorded the end, and not yet what follows from it."""
    jman.submit("false")
    jman.submit("true")
    jman("execute", code=1)
    jman.submit("--after-ok", "1", "true")
    jman("delete", "1")
    assert jman.status() == {2: "success", 3: "skipped"}


def test_a_database_that_another_process_has_open_goes_later(jman: Jman) -> None:
    """With its last job, by the next command that finds nobody there."""
    jman.submit("-l", "logs", "true")
    process = jman.start("--local", "execute", "--keep-running", "--no-progress")
    wait_until(lambda: jman.status() == {1: "success"})
    jman("delete")
    assert jman.database.exists()
    process.terminate()
    assert process.wait(20) == 130
    assert jman("list").err == "no jobs in submitted.sql3\n"
    assert names(jman.folder) == []


def test_a_database_that_has_jobs_again_stays(jman: Jman) -> None:
    jman.submit("true")
    process = jman.start("--local", "execute", "--keep-running", "--no-progress")
    wait_until(lambda: jman.status() == {1: "success"})
    jman("delete")
    assert jman.submit("true")["id"] == 2
    wait_until(lambda: jman.status() == {2: "success"})
    process.terminate()
    assert process.wait(20) == 130
    assert jman.status() == {2: "success"}


def test_an_empty_log_folder_goes_with_a_job_that_never_ran(jman: Jman) -> None:
    (jman.folder / "logs").mkdir()
    for _ in range(2):
        jman.submit("-l", "logs", "-t", "3", "true")
    jman("delete", "1")
    assert "logs" not in names(jman.folder)
    (jman.folder / "logs").mkdir()
    jman("delete", "--keep-logs")
    assert names(jman.folder) == ["logs"]
