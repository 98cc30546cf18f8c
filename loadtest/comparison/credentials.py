"""Generates the keys and tokens of a run: RS256 JWTs (with the openssl command) and API keys.

`python3 -m comparison.credentials DIRECTORY` (in `loadtest/`) writes files for manual load tests:

  auth.env      environment variables for ringest that make it accept these tokens
  jwt.pem       the public key of the JWTs, as named in auth.env
  jwts.txt      valid JWTs, one a line
  keys.txt      valid API keys, one a line
"""

import argparse
import base64
import dataclasses
import hashlib
import json
import pathlib
import secrets
import shlex
import subprocess
import tempfile
import time
import uuid

from . import Fault

ISSUER = "https://id.example.com"
AUDIENCE = "ingest"
KEY_ID = "loadtest-1"
LIFETIME_S = 12 * 3_600
PBKDF2_ROUNDS = 1_000
PBKDF2_BYTES = 20


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The keys for the servers and the tokens for the clients."""

    public_key: str
    """PEM of the key that the JWTs are signed with."""
    jwts: list
    """Distinct JWTs, each with its own `jti`."""
    keys: list
    """API keys in Moose's format, `<32 hex>.<32 hex>`. They have 256 random bits, so that servers
    which compare SHA-256 hashes can use them too."""

    def tokens(self, kind):
        """The tokens of one kind, `jwt` or `key`."""
        return {"jwt": self.jwts, "key": self.keys}[kind]


def make(jwts, keys):
    """Generates this many JWTs and API keys."""
    with tempfile.TemporaryDirectory(prefix="loadtest-") as name:
        private = pathlib.Path(name) / "private.pem"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                "-out", private)
        return Credentials(
            public_key=openssl("pkey", "-in", private, "-pubout").decode(),
            jwts=[jwt(private, f"client-{number}") for number in range(jwts)],
            keys=[key() for _ in range(keys)],
        )


def jwt(private, subject):
    """A JWT with the claims of common identity providers, about 800 bytes."""
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": [AUDIENCE],
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME_S,
        "jti": str(uuid.uuid4()),
        "azp": "8f14e45fceea167a5a36dedd4bea2543",
        "scope": "openid profile ingest:write",
        "gty": "client-credentials",
    }
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                      for part in (header, claims))
    signature = openssl("dgst", "-sha256", "-sign", private, stdin=signed.encode())
    return f"{signed}.{base64url(signature)}"


def key():
    """An API key in Moose's format."""
    return f"{secrets.token_hex(16)}.{secrets.token_hex(16)}"


def base64url(data):
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    """Runs the openssl command and returns its output."""
    try:
        return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True,
                              check=True).stdout
    except FileNotFoundError as error:
        raise Fault("openssl is not installed") from error
    except subprocess.CalledProcessError as error:
        raise Fault(f"openssl {arguments[0]} failed: {error.stderr.decode()[:100]}") from error


def pbkdf2(token):
    """The hash of an API key as Moose writes it."""
    password, salt = token.encode().split(b".")
    return hashlib.pbkdf2_hmac("sha256", password, salt, PBKDF2_ROUNDS, PBKDF2_BYTES).hex()


def sha256(token):
    """The SHA-256 hash of an API key with 256 random bits."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def jwt_lines():
    """The issuer in ringest's configuration, with its key in `jwt.pem`."""
    return (f'[auth.jwt]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
            'algorithms = ["RS256"]\npublic_key_file = "jwt.pem"\n')


def key_lines(keys, hashed):
    """The API keys in ringest's configuration, hashed with the function `hashed`."""
    return "".join(f'[[auth.keys]]\nname = "client-{number}"\nhash = "{hashed(token)}"\n'
                   for number, token in enumerate(keys))


def environment(directory, keys, hashed):
    """The same as environment variables, for a shell."""
    tables = ", ".join(f'{{ name = "client-{number}", hash = "{hashed(token)}" }}'
                       for number, token in enumerate(keys))
    variables = {
        "MODE": "required",
        "JWT__ISSUER": ISSUER,
        "JWT__AUDIENCE": AUDIENCE,
        "JWT__ALGORITHMS": "RS256",
        "JWT__PUBLIC_KEY_FILE": (directory / "jwt.pem").resolve(),
        "KEYS": f"[{tables}]",
    }
    return "".join(f"export RINGEST_AUTH__{name}={shlex.quote(str(value))}\n"
                   for name, value in variables.items())


def main():
    """Writes the files to a directory."""
    parser = argparse.ArgumentParser(
        prog="comparison.credentials", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=100, help="tokens of each kind (100)")
    parser.add_argument("--hash", choices=["pbkdf2", "sha256"], default="pbkdf2",
                        help="hash of the API keys (pbkdf2)")
    chosen = parser.parse_args()
    made = make(jwts=chosen.count, keys=chosen.count)
    chosen.directory.mkdir(parents=True, exist_ok=True)
    hashed = {"pbkdf2": pbkdf2, "sha256": sha256}[chosen.hash]
    for name, text in {
        "auth.env": environment(chosen.directory, made.keys, hashed),
        "jwt.pem": made.public_key,
        "jwts.txt": "".join(f"{token}\n" for token in made.jwts),
        "keys.txt": "".join(f"{token}\n" for token in made.keys),
    }.items():
        (chosen.directory / name).write_text(text)


if __name__ == "__main__":
    main()
