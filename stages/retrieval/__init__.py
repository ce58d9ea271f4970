"""Retrieval: documents, tokens, vectors, and the search over them."""
