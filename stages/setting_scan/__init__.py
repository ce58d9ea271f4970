"""Settings: where TOML, Python and C++ define, read and write them."""
