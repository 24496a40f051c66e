"""The rules of lint. A module is a rule: its name is the rule's, its docstring the page, its function the check."""
