"""Marks that generators and editors leave in a file's metadata.

`containers` finds the metadata in a file's own structure; `marks` has the detectors, one file
each; the modules beside them read what several marks are written in (TIFF, XMP, CBOR). A byte
string that merely occurs somewhere in a file is never evidence.
"""
