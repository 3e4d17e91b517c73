"""What a job is: values and pure functions, no I/O, no asyncio, no clock."""
