"""Authenticated Received Chain (RFC 8617): judging chains, and sealing what we change."""
