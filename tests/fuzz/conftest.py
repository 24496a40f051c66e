"""The fuzz plays with the certificates of the live tests."""

from ..live import conftest

certificates = conftest.certificates
"""A fixture."""
