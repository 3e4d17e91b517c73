"""Limits among the options of qsub, and what is said of them."""

from __future__ import annotations

from asyncjman.engines.sge.limits import judge, limits_of


def test_limits_are_read_in_all_their_forms() -> None:
    options = ["-q", "x", "-l", "h_rt=1:00:05,mem_free=4G,h_vmem=4G", "-l", "s_cpu=90", "-l", "s_vmem=1k"]
    assert limits_of(options, 2) == {"h_rt": 3605, "h_vmem": 2 * 4 * 2**30, "s_cpu": 90, "s_vmem": 2000}
    assert limits_of(["-l", "h_rt=x:30,s_rt=infinity,h_cpu=x,h_vmem"]) == {}
    assert limits_of(["-l", "h_rt=0:30"]) == {"h_rt": 30}
    assert limits_of(["-l"]) == {}


def test_what_is_said() -> None:
    limits = {"h_rt": 10.0, "s_rt": 7200.0, "h_cpu": 5.0, "h_vmem": 300.0 * 2**20}
    assert judge(limits, seconds=10.7, cpu_seconds=1.0, peak_bytes=294 * 2**20) == [
        "came to its limit h_rt: 10 s allowed, 10.7 s used",
        "came to its limit h_vmem: 300 MiB allowed, 294 MiB used",
    ]
    assert judge(limits, seconds=7201, cpu_seconds=5.1, peak_bytes=None) == [
        "came to its limit h_rt: 10 s allowed, 2:00:01 used",
        "came to its limit s_rt: 2:00:00 allowed, 2:00:01 used",
        "came to its limit h_cpu: 5 s allowed, 5.1 s used",
        "h_vmem allows 300 MiB",
    ]
    assert judge(limits, seconds=None, cpu_seconds=None, peak_bytes=None) == ["h_vmem allows 300 MiB"]
    assert judge({}, seconds=1, cpu_seconds=1, peak_bytes=1) == []
