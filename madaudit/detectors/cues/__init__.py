"""Cues: weak evidence in what stands beside an image, its caption and its address.

A cue raises a suspicion and proves nothing: people write about Midjourney, and generator sites
show photographs. So a cue carries no label, no score, and is never a hit. The patterns are data,
in `patterns.toml`; `patterns` reads them, and `caption` and `url` apply them.
"""
