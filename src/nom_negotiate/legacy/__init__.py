"""The old formats: readers that turn any old data directory into neutral records.

And the migration that brings those into a data root: `source` reads; `planner`, `run`,
`verify` and `rollback` are what `nom migrate` calls. They change a data root through
`store.files.installation` and `removal`, and nothing else anywhere.

Rules of the room:

- A reader only reads. It opens nothing for writing, follows no link, waits for no FIFO
  and leaves no trace in the source, not even a `-wal` file beside a database.
- One bad file stops nothing. Whatever cannot be read becomes an `Unreadable` with its path
  and the reason; every other file is read as if it were not there.
- What a record holds has been checked: addresses, ids and numbers are such that the core
  accepts them, so that whoever writes the new layout need not look again.
- Who somebody is, the content says. A directory name is asked only where the content of a
  format leaves the owner out, because the old encoding of names is not reversible.
- Private data (inventories, shadow prices, funds) is in no record, and the old files that
  hold nothing else are never opened.
- The old formats are five generations: L1 snapshots, L2 negotiation files, L3 events, L4 a
  database, L5 namespaces. Their facts stand in the reader of each.
"""
