"""Fetch the jars of a real Apache Kafka for the tests into `.kafka/`, by Maven.

They are exactly those that requirements/kafka.sha256 lists.

    .venv/bin/python scripts/kafka.py        does nothing when they are there
    .venv/bin/python scripts/kafka.py pin    fetches what the pom names and lists it anew

Maven is the machine's own, with its settings and mirrors. Java does not read the variables that name a proxy
or certificates, so they are said to it in its own words.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.utils import CryptographyDeprecationWarning

ROOT = Path(__file__).resolve().parent.parent
POM = ROOT / "requirements" / "kafka.pom.xml"
SUMS = ROOT / "requirements" / "kafka.sha256"
JARS = ROOT / ".kafka"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
STORE_PASSWORD = "changeit"  # noqa: S105 - Java's own default; the store holds nothing secret


def main() -> int:
    """Do what the command line says. The answer is the exit code."""
    pin = sys.argv[1:] == ["pin"]
    if not pin and JARS.is_dir() and sums_of(JARS) == SUMS.read_text():
        return 0
    say("fetching a Kafka broker for the tests (44 MB)")
    try:
        fetch(JARS)
    except subprocess.CalledProcessError:
        say("Maven could not fetch it; what it said is above.")
        return 1
    if pin:
        SUMS.write_text(sums_of(JARS))
    elif sums_of(JARS) != SUMS.read_text():
        shutil.rmtree(JARS)
        say(f"what Maven brought is not what {SUMS.name} lists, and was removed again.")
        return 1
    return 0


def say(text: str) -> None:
    """Tell whoever called."""
    print(f"kafka: {text}", file=sys.stderr)


def sums_of(folder: Path) -> str:
    """The folder's files as `sha256sum` prints them, by name."""
    files = sorted(folder.iterdir())
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def fetch(folder: Path) -> None:
    """Let Maven copy the jars. The folder appears whole or not at all."""
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix=".kafka-") as made,
        tempfile.TemporaryDirectory() as other,
    ):
        new = Path(made) / "jars"
        said = [*proxy_options(dict(os.environ)), *certificate_options(Path(other))]
        said += os.environ.get(
            "MAVEN_OPTS", ""
        ).split()  # the last one counts: what was said before stays said
        command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", POM, COPY]
        command += [f"-DoutputDirectory={new}", "-DincludeScope=runtime", "-Dstyle.color=never"]
        command += ["-Daether.connector.http.useSystemProperties=true"]  # as Maven does by itself before 3.9
        subprocess.run(command, check=True, env=os.environ | {"MAVEN_OPTS": " ".join(said)})
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def proxy_options(environment: dict[str, str]) -> list[str]:
    """What HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, in Java's words."""
    options: list[str] = []
    either = {name.lower(): value for name, value in environment.items() if value}
    for scheme in ("http", "https"):
        proxy = urlsplit(either.get(f"{scheme}_proxy") or either.get("all_proxy") or "")
        if proxy.hostname:
            options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port or 80}"]
        if proxy.hostname and proxy.username:
            options += [
                f"-D{scheme}.proxyUser={proxy.username}",
                f"-D{scheme}.proxyPassword={proxy.password or ''}",
            ]
    direct = [host.strip() for host in either.get("no_proxy", "").split(",") if host.strip()]
    if options and direct:
        options.append(
            f"-Dhttp.nonProxyHosts={'|'.join(f'*{h}' if h.startswith('.') else h for h in direct)}"
        )
    return options


def certificate_options(folder: Path) -> list[str]:
    """The certificates that the environment trusts, as a store for Java."""
    bundle = next((os.environ[name] for name in CERTIFICATES if os.environ.get(name)), None)
    if bundle is None:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of old authorities with odd numbers
        certificates = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    named = [PKCS12Certificate(certificate, str(n).encode()) for n, certificate in enumerate(certificates)]
    store = folder / "trusted.p12"
    store.write_bytes(serialize_java_truststore(named, BestAvailableEncryption(STORE_PASSWORD.encode())))
    options = {"trustStore": store, "trustStoreType": "PKCS12", "trustStorePassword": STORE_PASSWORD}
    return [f"-Djavax.net.ssl.{name}={value}" for name, value in options.items()]


if __name__ == "__main__":
    sys.exit(main())
