"""Marks that generators and editors leave in a file's metadata.

`containers` finds the metadata in a file's own structure; each other module reads one kind of
mark. A byte string that merely occurs somewhere in a file is never evidence.
"""
