"""What only Envoy gets wrong."""
