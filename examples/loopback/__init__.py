"""A laboratory on loopback: certificates, origins, visitors and real proxies, for the demo and the tests."""
