"""The gateway: an MX relay for customer-service mail that knows who must be phoned."""

__version__ = "0.1.0"
