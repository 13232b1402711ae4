"""Pages over the archive: what is best, why, what it cost, what was tried, and whether it can be trusted."""
