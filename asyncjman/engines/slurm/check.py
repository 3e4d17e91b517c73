"""Whether all is well with the cluster: what ``jman doctor`` shows."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.engines.base import Finding
from asyncjman.engines.cluster.checks import check_submission
from asyncjman.engines.cluster.dialect import Call, Plan, Site
from asyncjman.engines.cluster.process import CommandFailed
from asyncjman.engines.slurm import commands
from asyncjman.system.tool import Completed


def check(site: Call[Site], wanted: Sequence[str]) -> Plan[Sequence[Finding]]:
    """Find out; ``wanted``: the partitions that jobs are sent to."""
    try:
        facts: Site = yield site
    except CommandFailed as error:
        words = "does not answer" if error.transient else "refuses to answer"
        return [Finding("slurmctld", words, error.words)]
    findings = [Finding("slurmctld", "answers"), _memory(facts)]
    try:
        names: Sequence[str] = yield Call(tuple(commands.partitions()), parse_partitions)
    except CommandFailed as error:
        findings.append(Finding("partition", "the cluster does not say now which there are", str(error)))
    else:
        findings.append(_partition(names, wanted))
    findings.append((yield from check_submission(commands.test_only())))
    return findings


def parse_partitions(done: Completed) -> Sequence[str]:
    """Read the names, the default one with a ``*`` behind it."""
    return [line.partition("|")[0].strip() for line in done.stdout.splitlines() if line.strip()]


def _memory(facts: Site) -> Finding:
    words = f"arrays of up to {facts.max_array} tasks at once; "
    words += "accounting is on" if facts.accounting else "no accounting"
    if facts.forget_after is not None:
        words += f"; ended jobs are listed for {facts.forget_after:g} s"
        if facts.forget_after < 30:
            return Finding(
                "site", words, "how jobs ended may be known from records only: ask often (jman wait)"
            )
    return Finding("site", words)


def _partition(names: Sequence[str], wanted: Sequence[str]) -> Finding:
    plain = [one.rstrip("*") for one in names]
    missing = [one for one in wanted if one not in plain]
    if missing:
        return Finding(
            "partition", f"there is no {', '.join(missing)}", f"set queue to one of {', '.join(plain)}"
        )
    if wanted:
        return Finding("partition", f"{', '.join(wanted)} is there")
    default = next((one.rstrip("*") for one in names if one.endswith("*")), None)
    if default is None:
        return Finding("partition", "there is no default one", f"set queue to one of {', '.join(plain)}")
    return Finding("partition", f"the default one, {default}")
