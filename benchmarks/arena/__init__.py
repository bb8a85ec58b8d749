"""The arena: the advisor against the negotiators of NegMAS, on generated scenarios.

See benchmarks/README.md for how to run it and docs/advisor.md for what came out.
"""
