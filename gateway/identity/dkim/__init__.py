"""DomainKeys Identified Mail (RFC 6376, 8301, 8463): judging signatures and making our own.

Why not dkimpy alone: it accepts rsa-sha1 and text behind `l=`, calls a silent DNS server a bad
signature, and costs ten times as much. It stays the oracle of our differential tests.
"""
