"""The certificate a listener shows, read again on reload without disturbing open sessions."""

from __future__ import annotations

import ssl

from gateway.settings import Tls


def server_context(files: Tls) -> ssl.SSLContext:
    """TLS 1.2 or later with this certificate. Raises OSError if a file cannot be read or used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A key with a password is a mistake, and OpenSSL must not ask the terminal for it.
    context.load_cert_chain(files.cert, files.key, password="")
    return context


class Certificate:
    def __init__(self, files: Tls) -> None:
        self._files = files
        self.context = server_context(files)

    def reload(self) -> None:
        """Use what the files hold now. Raises OSError, keeping the old one, if they are bad."""
        self.context = server_context(self._files)
