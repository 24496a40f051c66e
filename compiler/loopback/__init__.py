"""A laboratory on loopback: certificates, origins, visitors and real proxies, for live tests of a policy and our own."""
