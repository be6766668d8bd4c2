"""Reads the pushes that the double kept (JSON on standard input) as a browser and a push service would, with http_ece and py-vapid.

Prints how many it could read. Anything that is wrong is an exception.
"""

import base64
import json
import sys
import time

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02


def bytes_of(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(push):
    number = int.from_bytes(bytes_of(push["private_key"]), "big")
    private = ec.derive_private_key(number, ec.SECP256R1())
    return http_ece.decrypt(bytes_of(push["body"]), private_key=private, auth_secret=bytes_of(push["auth"]))


def claims(header):
    # The library does not know the space that RFC 9110 allows behind a comma.
    header = header.replace(", ", ",")
    assert Vapid02.verify(header), "py-vapid does not accept the signature"
    token = header.split("t=")[1].split(",")[0]
    return json.loads(bytes_of(token.split(".")[1]))


def main():
    kept = json.load(sys.stdin)["kept"]
    for push in kept:
        if push["body"]:
            assert read(push).decode() == push["message"], push["name"]
        said = claims(push["headers"]["authorization"])
        assert said["aud"] == push["origin"], said
        assert 0 < said["exp"] - time.time() <= 86_400, said
        assert said["sub"] == "mailto:push@example.com", said
    print(f"read {len(kept)}")


main()
