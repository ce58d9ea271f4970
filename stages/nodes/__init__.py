"""OmniGraph nodes: their ``.ogn`` files, and the files generated from them."""
