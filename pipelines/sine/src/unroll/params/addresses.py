"""Addresses of data in params.yaml, without secrets that must not get into Git, dvc.lock and MLflow."""

from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

# Names in an address's query whose values are secret; "sig" is Azure's.
SECRET_NAMES = ("sig", "key", "auth", "pass", "pwd", "jwt")
PARTS_OF_SECRET_NAMES = ("token", "secret", "signature", "credential", "password", "passwd", "apikey", "accesskey")


def refuse_credentials(address: str | None) -> str | None:
    """Return an address or path that may be kept in params.yaml, dvc.lock and MLflow.

    Raises:
        PydanticCustomError: it holds a user, a password or a key, or is not a whole address.
    """
    if not address or "://" not in address:
        return address
    try:
        url = urlsplit(address)
        url.port  # noqa: B018  # raises an error if it is wrong; a slash in a password cuts the address short there
    except ValueError:
        raise PydanticCustomError("address", "malformed") from None
    if _holds_credentials(url):
        raise PydanticCustomError("credentials", "holds credentials")
    return address


def _holds_credentials(url: SplitResult) -> bool:
    names = [name.lower().replace("-", "").replace("_", "") for name, _ in parse_qsl(url.query, keep_blank_values=True)]
    secret = (name in SECRET_NAMES or any(part in name for part in PARTS_OF_SECRET_NAMES) for name in names)
    return "@" in url.netloc or any(secret)


def refuse_path(address: str | None) -> str | None:
    """Return an address; raise PydanticCustomError for a file of this machine, whose changes DVC could not notice."""
    if address and ("://" not in address or address.startswith("file://")):
        raise PydanticCustomError("path", "is a path")
    return address


def refuse_address(path: str) -> str:
    """Return a path; raise PydanticCustomError for an address, which DVC would fetch in its own way."""
    if "://" in path:
        raise PydanticCustomError("no_path", "is an address")
    return path


# An empty text in YAML means the same as null: not set.
Address = Annotated[str | None, AfterValidator(lambda value: value or None), AfterValidator(refuse_credentials)]
WebAddress = Annotated[Address, AfterValidator(refuse_path)]
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(refuse_credentials), AfterValidator(refuse_address)]
