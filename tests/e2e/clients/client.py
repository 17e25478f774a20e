"""Python's standard library as a client of a bot behind a gateway.

python3 client.py CA-FILE URL ACTIVITY      prints the response body
"""

import http.client
import ssl
import sys
from urllib.parse import urlsplit

ca, url, activity = sys.argv[1:]
parts = urlsplit(url)
context = ssl.create_default_context(cafile=ca)
connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=context)
connection.request("POST", parts.path, body=activity, headers={"Content-Type": "application/json"})
response = connection.getresponse()
body = response.read().decode()
if response.status != 200:
    sys.exit(f"{response.status}: {body}")
print(body)
