"""The pure heart: records and rules, without I/O, clock, randomness or JSON.

Everything in here is a function of its arguments. Times are unix seconds that the
caller hands in; prices and quantities are exact decimals.
"""
