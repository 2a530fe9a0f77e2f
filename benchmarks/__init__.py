"""Benchmarks: each figure is a ratio to a bare baseline, measured in turns with it in the same
run. See README.md.
"""
