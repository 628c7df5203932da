"""Sender Policy Framework (RFC 7208): records, macros, and check_host().

Our own rather than spftrace: it takes its answers from our one resolver, costs a fifth, and
tells the shortest TTL by which a result may be remembered. pyspf is the oracle of the tests.
"""
