"""An issuer of tokens, as the Bot Framework's connector is one: its metadata, its keys, and a good token."""
import base64, http.server, json, subprocess, threading, time

APP = "a1b2c3d4-0000-4000-8000-00000000000a"
ISSUER = "https://api.botframework.com"
SERVICE = "https://smba.test/emea/"


class Issuer:
    """Serves its metadata and keys on a port of this machine, from a thread."""

    def __init__(self, folder):
        self.folder = folder
        self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "issuer.key")
        modulus = self.openssl("rsa", "-in", "issuer.key", "-noout", "-modulus").decode().strip().partition("=")[2]
        key = {"kty": "RSA", "use": "sig", "kid": "load", "n": encode(bytes.fromhex(modulus)), "e": "AQAB", "endorsements": ["load"]}
        pages = {"/keys": {"keys": [key]}}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(pages))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        pages["/metadata"] = {"issuer": ISSUER, "jwks_uri": f"{self.url}/keys", "id_token_signing_alg_values_supported": ["RS256"]}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *words, data=None):
        return subprocess.run(["openssl", *words], cwd=self.folder, input=data, check=True, capture_output=True).stdout

    def token(self):
        """Good for an hour, and as long as a channel's: 793 bytes or a few more."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": APP, "exp": now + 3600, "nbf": now - 5, "serviceurl": SERVICE, "pad": "x" * 30}
        header = {"alg": "RS256", "kid": "load", "typ": "JWT"}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        return signed + "." + encode(self.openssl("dgst", "-sha256", "-sign", "issuer.key", data=signed.encode()))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def handler(pages):
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = json.dumps(pages.get(self.path, {})).encode()
            self.send_response(200 if self.path in pages else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass
    return Pages
