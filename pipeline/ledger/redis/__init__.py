"""The ledger in Redis: for runs on several machines."""
