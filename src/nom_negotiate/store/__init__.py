"""Where records live: one small protocol, a file store, and its twin in memory.

Rules of the room:

- `port` says what every store offers. The desk and the poller know nothing else.
- `reading` turns the files of a namespace into a snapshot, the same way for all stores.
- Only `files/` knows paths, and inside it only `atomic` changes the disk.
"""
