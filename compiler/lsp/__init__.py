"""The language server: findings while a policy is written, and what an editor asks about a place in it.

`server.py` and `features.py` speak the protocol and need pygls; the others answer in offsets and texts.
"""
