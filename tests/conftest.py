"""What all tests share."""

import hashlib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "lab"), str(Path(__file__).parent / "attacks")]

# The same examples every time, and none of them timed.
settings.register_profile("ringfence", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ringfence")


@pytest.fixture
def identity(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's certificate that nobody signed, and its fingerprint."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=master"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
