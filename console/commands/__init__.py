"""Commands: doit's plugins."""
