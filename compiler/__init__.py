"""The road from a policy's text to a target's files. Knows no target by name."""
