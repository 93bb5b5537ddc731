"""What the text watermark checks are made of; the checks themselves stand one folder up.

`tokens` cuts text as a language model did, `seeding` and `green_lists` are the greenlist marks,
`g_values` and `bayes` SynthID-Text's, `tails` their p-values, `hidden` the invisible characters,
`writing` a small language model that writes marked text for tests and demos.
"""
