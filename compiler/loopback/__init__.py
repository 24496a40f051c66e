"""A laboratory on loopback: certificates, origins, visitors and real proxies, for a policy's live tests and our own."""
