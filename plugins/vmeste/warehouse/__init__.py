"""The warehouse: its server, its raw tables, how batches get in and marts come out."""
