"""Checkpoints on disk: weights as safetensors, and a signed list of their digests.

``weights/manifest.json`` names each file with its SHA-256; ``manifest.sig`` is its Ed25519 signature
(RFC 8032) and ``signer.pem`` the public key. A file that is not the one that was signed is refused when it
is loaded. Who can replace all three can replace the weights: the signature protects against a changed or
broken file, not against a changed course.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from aisecops.course import CourseError
from aisecops.course import write as write_file
from aisecops.targets.lm.network import Config, Network

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

WEIGHTS = Path(__file__).with_name("weights")
KEY = "AISECOPS_SIGNING_KEY"  # environment variable: where the private key lies, outside of the course


def names(folder: Path = WEIGHTS) -> list[str]:
    """Return the names of all checkpoints, alphabetical."""
    return sorted(file.stem for file in folder.glob("*.safetensors"))


def read(name: str, folder: Path = WEIGHTS) -> Network:
    """Return the network of a checkpoint.

    Raises:
        CourseError: there is no such checkpoint, its file is not the one that was signed, or the manifest's
            signature is wrong.
    """
    from safetensors.torch import load as parse

    file = folder / f"{name}.safetensors"
    if name not in names(folder):
        raise CourseError(
            f"there is no checkpoint {name!r}; there are: {', '.join(names(folder)) or 'none yet'}"
        )
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if _manifest(folder).get(file.name) != digest:
        raise CourseError(
            f"{file}: these are not the weights that were signed (SHA-256 {digest[:16]}…); restore the file, "
            f"with git checkout -- {file.name} in its folder"
        )
    tensors = parse(data)
    config = Config(**json.loads(bytes(tensors.pop("config").tolist())))
    network = Network(config)
    network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    return network.eval()


def write(name: str, network: Network, folder: Path = WEIGHTS) -> Path:
    """Write a network's weights in half precision, in one step; sign the manifest anew; return the file.

    Raises:
        CourseError: the environment names no signing key, or a file that is none.
    """
    import torch
    from safetensors.torch import save

    key = private_key()
    folder.mkdir(parents=True, exist_ok=True)
    config = torch.tensor(list(json.dumps(asdict(network.config)).encode()), dtype=torch.uint8)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    file = folder / f"{name}.safetensors"
    write_file(file, save({**tensors, "config": config}))
    sign(key, folder)
    return file


def sign(key: "Ed25519PrivateKey", folder: Path = WEIGHTS) -> None:
    """Write the manifest of all checkpoints in a folder, its signature and the public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    digests = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.glob("*.safetensors"))
    }
    manifest = (json.dumps(digests, indent=2) + "\n").encode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(folder / "signer.pem", public)
    write_file(folder / "manifest.json", manifest)
    write_file(folder / "manifest.sig", key.sign(manifest))


def _manifest(folder: Path) -> dict[str, str]:
    """Return the digests by file name, once the signature has been checked."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        manifest = (folder / "manifest.json").read_bytes()
        signature = (folder / "manifest.sig").read_bytes()
        key = load_pem_public_key((folder / "signer.pem").read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the key is not an Ed25519 key")
        key.verify(signature, manifest)
        digests: dict[str, str] = json.loads(manifest)
    except (OSError, ValueError, InvalidSignature) as error:
        raise CourseError(
            f"{folder / 'manifest.json'}: the signed list of weights cannot be trusted "
            f"({error or 'its signature is wrong'}); restore the folder, with git checkout -- . in it"
        ) from None
    return digests


def private_key() -> "Ed25519PrivateKey":
    """Return the signing key that the environment names; make one where the file does not exist yet."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    place = os.environ.get(KEY)
    if not place:
        raise CourseError(
            f"weights are signed when they are written: set {KEY} to a file outside of the course that holds "
            "the signing key (it is made if it does not exist)"
        )
    file = Path(place).expanduser()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CourseError(f"{file}: no Ed25519 private key in PEM format; name another file in {KEY}")
    return key
