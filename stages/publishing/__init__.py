"""Publishing: a data set's manifest, its atomic replacement, and its verification."""
