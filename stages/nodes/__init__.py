"""OmniGraph nodes: their ``.ogn`` files, and the files that Kit's build generates from these."""
