"""Hostile input: whole policies and raw documents, made from a seed; no traceback, no hang, no other structure."""
