"""Ed25519 as Discord signs its webhooks, by libsodium."""

import ctypes
import ctypes.util
import functools


@functools.lru_cache(maxsize=1)
def sodium():
    name = ctypes.util.find_library("sodium") or "libsodium.so.23"
    library = ctypes.CDLL(name)
    if library.sodium_init() < 0:
        raise OSError("libsodium could not start")
    return library


def sign(seed_hex, message):
    """The signature (hex) of a message under the key grown from a 32-byte seed (hex). ValueError when the seed is none."""
    seed = bytes.fromhex(seed_hex)
    if len(seed) not in (32, 64):
        raise ValueError("DISCORD_PRIVATE_KEY is 32 bytes in hex")
    public, secret, signature = (ctypes.create_string_buffer(size) for size in (32, 64, 64))
    sodium().crypto_sign_seed_keypair(public, secret, seed[:32])
    sodium().crypto_sign_detached(signature, None, message, ctypes.c_ulonglong(len(message)), secret)
    return signature.raw.hex()
