"""Every limit for what is read from a file, each with its reason; docs/security.md lists them.

Files come from strangers, and a few bytes can announce any length. What exceeds a limit becomes a
row's status, missing evidence or a quarantine entry, never a crash and never "absent". The names
end in their unit; bytes, pixels and characters are counted after decompression.
"""

from __future__ import annotations

# ---- shards: archives, folders, records

# A web image is under 100 MB; a member beyond this is not one, and would have to be held whole.
MAX_IMAGE_BYTES = 1 << 28
# A caption or record; img2dataset's records stay under 100 KB even with EXIF.
MAX_SIDECAR_BYTES = 1 << 24
# JSON of strangers; parsed, it takes up to forty times its text (39.4 measured, orjson).
MAX_JSON_BYTES = 1 << 22
# img2dataset's Parquet beside a shard: 10,000 records of a few kilobytes.
MAX_TABLE_BYTES = 1 << 28
MAX_TABLE_ROWS = 1_000_000
# Members of one sample; a hostile archive can give a million endings to one key.
MAX_SAMPLE_FIELDS = 256
# Keys of lone images, and of lone records, that are held to tell an interleaved archive: 13 MB.
MAX_LONE_KEYS = 200_000
# A pax or long-name header holds a path and a few numbers; tar itself writes under 64 KiB.
MAX_TAR_EXTENSION_BYTES = 1 << 20
# Of a size in a pax record: 2**64 has 20, and int() refuses more than 4300.
MAX_PAX_SIZE_DIGITS = 20
# A header can claim 2**95 bytes; what is beyond this fits neither a file nor a column.
MAX_MEMBER_BYTES = (1 << 63) - 1
# Things wrong with one shard that are told one by one; a hostile archive has millions.
MAX_PROBLEMS = 1000
# Headers held before they are hashed.
MAX_HELD_HEADERS = 256
# A stretch of an archive read at once.
WINDOW_BYTES = 1 << 20
# Mapped pages that lie this far behind are given back, so that memory does not grow with the file.
KEPT_BYTES = 1 << 23
# Requests for one stretch of a remote file, or to write one, before that is given up: with the
# pauses between them about ten seconds, and each is tried again by s3fs itself.
MAX_TRIES = 8
# Longest pause between two of them.
MAX_PAUSE_S = 10
# Small files of a store at a URL that are asked for at once: 40,000 of 30 ms each take 40 s so.
MAX_REQUESTS_AT_ONCE = 32
# Read ahead of a remote file: at first, and where reading has gone on for long.
MIN_AHEAD_BYTES = 1 << 17
MAX_AHEAD_BYTES = 1 << 23
# A stretch of a remote file shorter than this is read rather than left out, and one longer is
# left out, whatever was measured: an answer takes 5 to 100 ms, in which 0.25 to 8 MiB come.
MIN_SKIP_BYTES = 1 << 18
MAX_SKIP_BYTES = 1 << 23
# A remote file that is held whole, where a server knows no ranges and has sent it whole.
MAX_HELD_FILE_BYTES = 1 << 30
# First and last bytes of a remote image that are read before the rest: headers of photos with
# EXIF, a thumbnail and a colour profile have 20 to 60 KB, and what stands last is XMP.
HEAD_BYTES = 1 << 16
TAIL_BYTES = 1 << 14
# Images of a folder that make one unit of work and resume.
FILES_PER_VIRTUAL_SHARD = 10_000
# Of an image's side; what is beyond is no size.
MAX_SIDE_PX = 1 << 31
# Digits of a number of rows in a header; 2**63 has 19.
MAX_ROW_COUNT_DIGITS = 19
# Of a vector; the largest CLIP models have 1,280, and a forged header can claim any number.
MAX_EMBEDDING_DIMENSIONS = 1 << 16
# numpy writes 128 bytes; version 1 allows 64 KiB.
MAX_NPY_HEADER_BYTES = 1 << 16
# The longest documents of web crawls have a few megabytes; a line beyond this is no document, and
# would have to be held whole.
MAX_LINE_BYTES = 1 << 25
# Rows of a row group that cannot be read get a row each, up to this: a real row group has at most
# a million, and a forged footer can claim 2**63.
MAX_LOST_ROWS = 1 << 20

# Real images of a loop that trains, which all stand in memory: MNIST has 70,000.
MAX_LOOP_IMAGES = 200_000
MAX_LOOP_SIDE_PX = 256

# ---- scanning: batches, pixels, rows

# Small enough that a batch of images stays in the processor's cache between reading and parsing.
BATCH_SAMPLES = 32
BATCH_BYTES = 1 << 24
# Rows without an image are a few hundred bytes; what a batch costs besides is shared by more.
BATCH_ROWS = 1024
# Twice Pillow's own warning limit: 13,400 pixels squared, 537 MB decoded.
DEFAULT_MAX_PIXELS = 178_956_970
# A photo decodes in well under a second; what takes this long is stuck.
DEFAULT_IMAGE_TIMEOUT_S = 10.0
# Embeddings of one shard held in memory, beyond which they wait on disk: 65,536 of ViT-B, float16.
KEPT_EMBEDDINGS_BYTES = 1 << 26
# Reasons told apart of why a detector could not score samples of one shard; ours have five.
MAX_REASONS = 20
# Web captions and URLs beyond this are not read by anyone; a hostile one can be of any length.
MAX_COLUMN_CHARS = 4096
# Deaths of a worker on one shard with nothing to blame before the shard is given up.
MAX_WORKER_DEATHS = 3
# Images of one shard that may each cost a worker; every one means scanning the shard again.
MAX_DOOMED = 50

# ---- containers: JPEG, PNG, WebP, AVIF, HEIF

# One metadata block. Photoshop writes XMP of a few MB, C2PA manifests with thumbnails reach
# several MB, ComfyUI workflows 1 MB; nothing real is near this.
MAX_BLOCK_BYTES = 1 << 24
# All text of one file after decompression; a hostile zTXt expands a thousandfold.
MAX_TEXT_BYTES = 1 << 24
# Chunks, segments or boxes of one file; the largest PNG read, in 8 KiB chunks, has 32,768.
MAX_PARTS = 1 << 19
# Items of an AVIF or HEIF file; a photo in tiles has one per tile.
MAX_BMFF_ITEMS = 4096
# Stretches of all items together; items may be scattered, but not all of them this much.
MAX_BMFF_EXTENTS = 1 << 16
# An item's name and media type, of which ours has 19 bytes.
MAX_ITEM_NAME_BYTES = 1 << 12

# ---- metadata: EXIF, XMP, Photoshop, C2PA, generation parameters

# Strips of a TIFF that are checked for being inside the file; a map scanned in rows has 100,000.
MAX_TIFF_STRIPS = 1 << 17
# An IFD of a camera holds under 100 entries.
MAX_IFD_ENTRIES = 1000
# A ComfyUI workflow in a tag reaches 1 MB.
MAX_TAG_BYTES = 1 << 23
# Photoshop's packets reach 2 MB with history; the tree costs ten times the text.
MAX_XMP_BYTES = 1 << 22
# The deepest packet of the genuine files at hand nests 12 deep.
MAX_XMP_DEPTH = 64
# Blocks of a Photoshop file are of a few dozen kinds, each there once.
MAX_IMAGE_RESOURCES = 1000
# A picture desk writes some dozens, keywords included.
MAX_IIM_DATASETS = 2000
# The deepest of 51 genuine stores nests 6 deep.
MAX_CBOR_DEPTH = 32
# Of one assertion; the longest of 51 genuine stores has 103.
MAX_CBOR_ITEMS = 100_000
# Store, manifest, assertion store, assertion: 3 below the store in all 51 genuine ones.
MAX_JUMBF_DEPTH = 12
# The fullest of 51 genuine stores has 80 in 4 manifests; each save adds a manifest.
MAX_JUMBF_BOXES = 20_000
# Manifests judged of one store; each save of an edited image adds one.
MAX_MANIFESTS = 300
# The largest graph seen has 500 nodes; ComfyUI itself slows down at a few thousand.
MAX_GRAPH_NODES = 20_000
# A prompt can be long; its parameters are in the last few kilobytes.
MAX_INFOTEXT_CHARS = 1 << 16

# ---- cues and watermarks

# Longest tag lists and addresses with a prompt in them stay below this; what is longer is cut,
# since a pattern's time grows with its text.
MAX_CUE_CHARS = 4096
# Longer messages than this are in nobody's images, and the null's table has one entry a bit.
MAX_MESSAGE_BITS = 4096

# Prompts of early models have at most a few hundred words.
MAX_DREAM_CHARS = 1 << 16
# A prompt may have 6,000 characters, and its parameters come last.
MAX_MIDJOURNEY_CHARS = 1 << 13
# Genuine payloads have about 1 KB; a graph of ComfyUI reaches 1 MB.
MAX_STEALTH_BYTES = 1 << 22
# The same after decompression.
MAX_STEALTH_TEXT_BYTES = 1 << 23
# The longest of an AIGC label's seven fields is a signature; nothing real is near this.
MAX_AIGC_CHARS = 1 << 16
# Tokens of a document that are looked at for a watermark: enough for any that can be found.
DEFAULT_MAX_TOKENS = 5000
# A strip one pixel high would become one of millions of columns; no generator writes strips.
MAX_RESIZED_PIXELS = 1 << 24
# Pixels of one image in which marks' survival is measured; a 16-megapixel photo.
MAX_DETECTABILITY_PIXELS = 1 << 24
# Long side over short side of such an image: resized by its short side, a strip would not fit.
MAX_DETECTABILITY_RATIO = 16

# ---- probes

# A published linear head of 768 features is 4 KB; the widest encoder's, in float32, is 260 KB.
MAX_PROBE_HEAD_BYTES = 1 << 20

# ---- stores

# Histograms of one shard, unpacked: twenty detectors of a few hundred cells have 100 KB.
MAX_SKETCH_BYTES = 1 << 24
# A manifest names every shard: a million of them in 100 MB.
MAX_STORE_JSON_BYTES = 1 << 28
# Either file of a calibration; fifty sources take 200 kB, and nothing real is near this.
MAX_CALIBRATION_BYTES = 1 << 24
# Sums of combined scores: a hundred thousand strata of a hundred filled cells, 16 bytes each.
MAX_COMBINED_BYTES = 1 << 30
# Labels of one file: a person gives some thousand; 150 bytes each in JSON.
MAX_LABELS = 1_000_000
MAX_LABELS_BYTES = 1 << 28
# Items of one labelling page: 30 kB each, and a browser holds the page whole.
MAX_PAGE_ITEMS = 5000

# A policy is written by hand, in under a kilobyte; a longer file is none.
MAX_POLICY_BYTES = 1 << 20

# Sources that a monitor tells apart; a training set has tens, and a log has no reader for more.
MAX_MONITOR_SOURCES = 1000

# Strata kept at most; a data set has millions of domains, a table no reader for them.
MAX_STRATA = 100_000
# Domains counted at once; beyond it the ones without a mark are counted together.
MAX_DOMAINS = 200_000

# ---- copies and banks of known images

# Pairs of close hashes held at once: 1 GB. A data set of blank pages has billions; the radius is
# then lowered.
MAX_COPY_PAIRS = 1 << 27
# A bank's description has a line a source; a thousand sources have 100 KB.
MAX_BANK_JSON_BYTES = 1 << 24
# Embeddings of a side that λ is measured on: enough for a percent of it, few enough to be held.
MAX_BIAS_SAMPLES = 20_000
# Samples of a store that `diff` holds at once, 9 bytes each and as much again while sorting; of
# larger ones it joins every k-th by hash, and scales.
MAX_JOINED_ROWS = 20_000_000
# Rows whose addresses the report takes apart; of larger data sets it counts the domains in evenly
# spaced shards, and says so. A million take a second.
MAX_DOMAIN_ROWS = 10_000_000
