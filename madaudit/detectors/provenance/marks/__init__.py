"""Marks that generators leave: one file per tool or standard, each a detector of its own."""
