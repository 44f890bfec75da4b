"""Where the weights of a shared study are kept: what Optuna calls an artifact store."""

from __future__ import annotations

import os
from pathlib import Path

from optuna.artifacts import FileSystemArtifactStore, download_artifact
from optuna.artifacts.exceptions import ArtifactNotFound

from hwcost.errors import BadOption, BadStudy


class Weights:
    """A folder that every machine can reach, or a bucket.

    Args:
        where: path of a folder, made when missing; or s3://BUCKET, with the credentials that boto3 finds.

    Raises:
        BadOption: another kind of URL, or no boto3. BadStudy: the folder cannot be made.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        scheme, found, bucket = where.partition("://")
        if not found:
            self.store = _folder(Path(where))
        elif scheme == "s3" and bucket.strip("/"):
            self.store = _bucket(bucket.strip("/"))
        else:
            raise BadOption(f"artifacts {where}: neither a folder nor s3://BUCKET; give one of them")

    def fetch(self, identifier: str, path: Path) -> None:
        """Bring one here, whole or not at all; several processes may share the folder.

        Raises:
            BadStudy: it is not there, or cannot be read or written.
        """
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_artifact(artifact_store=self.store, file_path=str(partial), artifact_id=identifier)
            partial.replace(path)
        except (ArtifactNotFound, OSError) as error:
            partial.unlink(missing_ok=True)
            raise BadStudy(
                f"artifacts {self.where}: no weights for {path.name}; give --artifacts, the folder or bucket of "
                "the sweep, as this machine reaches it"
            ) from error


def _folder(path: Path) -> FileSystemArtifactStore:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadStudy(f"artifacts {path}: cannot be made ({error.strerror}); give another folder") from error
    return FileSystemArtifactStore(str(path))


def _bucket(name: str):  # type: ignore[no-untyped-def]  # boto3 is nobody's requirement
    try:
        from optuna.artifacts import Boto3ArtifactStore

        return Boto3ArtifactStore(name)
    except ImportError as error:
        raise BadOption(f"artifacts s3://{name}: needs boto3; pip install boto3, or give a folder") from error
