"""`gateway dkim-key SITE`: make a site's signing key and print the DNS record that publishes it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.cli.common import config_option, fail, load_or_exit
from gateway.identity.signing import make_key
from gateway.show import terminal


@click.command("dkim-key")
@config_option
@click.option("--domain", help="The domain that signs; default: the site's first.")
@click.option("--selector", default="gw", show_default=True)
@click.option("--kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False), help="The key file; default SITE.pem.")
@click.argument("site")
def command(
    config: str | None, site: str, domain: str | None, selector: str, kind: str, out: str | None
) -> None:
    """Make the key pair that SITE signs its mail with, and say what has to stand in the DNS."""
    domain = domain or _domain_of(site, config)
    try:
        key = make_key(domain, selector, kind)
    except ValueError as error:
        fail(str(error))
    path = Path(out or f"{site}.pem")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.pem)
    except FileExistsError:
        fail(f"{path} exists already; a key in use is not overwritten, name another with --out")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    click.echo(f"; the key is in {path}, for this line of the site:", err=True)
    click.echo(
        f";   signing: {{domain: {domain}, selector: {selector}, key: !file {path}}}", err=True
    )
    click.echo("; publish this record, then run: gateway check", err=True)
    click.echo(key.zone_line)


def _domain_of(site: str, config: str | None) -> str:
    domains = {known.site: known.domains[0] for known in load_or_exit(config).sites}
    if site not in domains:
        fail(f"no site is called '{terminal(site)}'; name the domain with --domain")
    return domains[site]
