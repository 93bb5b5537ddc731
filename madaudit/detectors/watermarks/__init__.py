"""Marks that generators hide in what they make: one file per check, parts in folders beside."""

from __future__ import annotations

from madaudit.detectors.watermarks.pixels.codec import decode, encode

__all__ = ["decode", "encode"]
