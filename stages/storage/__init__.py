"""Storage: files written atomically, durably and reproducibly."""
