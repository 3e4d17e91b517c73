"""What must not grow with the work that is done."""

from __future__ import annotations

from benchmarks.bench import Bench, row
from benchmarks.measure import in_turn
from benchmarks.report import Outcome
from benchmarks.rows.local import array


@row("flat", "rate at 100,000 tasks against 1,000, first start to last end", "0.9")
def rate_of_many(bench: Bench) -> Outcome:
    many, few = bench.size(100_000, 10_000), 1_000
    big, small = array(bench, many), array(bench, few)

    def of_big() -> float:
        big.execute(many)
        return big.span()

    def of_small() -> float:
        small.execute(few)
        return small.span()

    # one run of 1,000 is over in a second: three for each of the big one, in turn
    seconds = in_turn(min(bench.repeat, 3), of_big, of_small, of_small, of_small)
    shorts = sorted(value for values in seconds.values[1:] for value in values)
    rates = many / seconds.median(0), few / shorts[len(shorts) // 2]
    ratio = rates[0] / rates[1]
    return Outcome(
        f"{ratio:.2f} ({rates[0]:.0f}/s at {many:,}, {rates[1]:.0f}/s at {few:,})",
        ratio >= 0.9,
        {
            "ratio": ratio,
            "rate_of_many": rates[0],
            "rate_of_few": rates[1],
            "many": many,
            "seconds_of_many": seconds.values[0],
            "seconds_of_few": shorts,
            "peak_memory_of_many": big.peak_memory,
        },
    )
