"""What Headwater costs, measured beside what the same machine does at best: `make bench`.

Belongs here: a fast fake API, the floors (fetch, decode and throw away; bulk insert), the workloads, the
table. Does not: any judgement. No test asserts a speed; what the figures mean is in `docs/benchmarks.md`.
"""
