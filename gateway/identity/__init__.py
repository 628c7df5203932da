"""Who really sent it: SPF, DKIM, DMARC, ARC, what we sign, and how it is told (RFC 8601)."""
