"""Findings for people and for programs: one module for each form."""
