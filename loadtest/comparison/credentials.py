"""Keys and tokens for one run, made anew each time: RS256 JWTs by the openssl command, API keys.

`python3 -m comparison.credentials DIRECTORY` (in `loadtest/`) writes, for load by hand,

  auth.env      what a shell sources, so that the ringest it starts takes them
  jwt.pem       the JWTs' public key, which is named there
  jwts.txt      good JWTs, one a line
  keys.txt      good API keys, one a line
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
    """What servers check against and what clients send."""

    public_key: str
    """PEM of the key that the JWTs are signed with."""
    jwts: list
    """Each with a `jti` of its own, so that no two are equal."""
    keys: list
    """`<32 hex>.<32 hex>`: API keys of Moose's form. They are random in 256 bits, so the very same
    tokens do where a server knows them by their SHA-256."""

    def tokens(self, kind):
        """Those of one kind, `jwt` or `key`."""
        return {"jwt": self.jwts, "key": self.keys}[kind]


def make(jwts, keys):
    """So many of each."""
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
    """A token with what identity providers put into theirs, about 800 bytes."""
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
    """An API key of Moose's form."""
    return f"{secrets.token_hex(16)}.{secrets.token_hex(16)}"


def base64url(data):
    """Without padding, as RFC 7515 section 2 has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    """What the openssl command prints."""
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
    """The hash of an API key that is random in 256 bits."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def jwt_lines():
    """For ringest's configuration: the issuer, its key in `jwt.pem`."""
    return (f'[auth.jwt]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
            'algorithms = ["RS256"]\npublic_key_file = "jwt.pem"\n')


def key_lines(keys, hashed):
    """For ringest's configuration: each key with its hash by this function."""
    return "".join(f'[[auth.keys]]\nname = "client-{number}"\nhash = "{hashed(token)}"\n'
                   for number, token in enumerate(keys))


def environment(directory, keys, hashed):
    """The same as variables of ringest's environment, for a shell."""
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
    """Writes them into a directory."""
    parser = argparse.ArgumentParser(
        prog="comparison.credentials", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=100, help="tokens of each kind (100)")
    parser.add_argument("--hash", choices=["pbkdf2", "sha256"], default="pbkdf2",
                        help="of the API keys (pbkdf2)")
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
