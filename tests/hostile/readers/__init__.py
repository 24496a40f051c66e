"""What an output says, read by each target's own rules, and what the Plan says: facts, not shapes.

The readers share nothing with what writes. They ask where a request for a name ends, whatever the way there is: several
names in one block, maps, trees of matchers.
"""
