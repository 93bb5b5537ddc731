"""Shards and detectors to rows: plan, batches, engines, store."""
