"""The targets that come with policyc. Each is a plug-in, found by its entry point."""
