"""Decisions inside other people's pipelines: one file per host, its package loaded on use.

Each host's module has `Keep(store, *, policy=None, where=None)`, which looks up what a store
says, and, where the host hands over images, `Audit(plan, policy)`, which looks at them now. A
hook keeps what it does not know and never raises on a bad sample; what it dropped, and why, is in
its `report()`.
"""
