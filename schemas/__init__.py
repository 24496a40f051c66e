"""The policy language: its models, and the JSON Schema generated from them."""
