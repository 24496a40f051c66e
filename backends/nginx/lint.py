"""What only nginx gets wrong."""

from __future__ import annotations
