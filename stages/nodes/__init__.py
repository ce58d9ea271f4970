"""OmniGraph nodes: the ``.ogn`` files that describe them, and what Kit's build generates from these."""
