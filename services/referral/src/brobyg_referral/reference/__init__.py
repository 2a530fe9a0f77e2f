"""Reference data: places, departments, organisations, pools, postcodes, calendars; their owner.

It starts as the files of a folder (schemas/reference) and is changed by applying files again, or
entry by entry over HTTP. Each change is checked against all that is there, numbered by a version,
and told on the compacted topic `brobyg.reference.v1`. Other packages know `brobyg_contracts`'
`Reference` alone, which `adapters.entries.CurrentReference` makes for them.
"""
