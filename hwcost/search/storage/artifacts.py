"""Store of the weights of a shared study; Optuna calls it an artifact store."""

import re
from pathlib import Path

from optuna import Study, Trial
from optuna.artifacts import Boto3ArtifactStore, FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound

from hwcost.errors import BadOption, BadStudy
from hwcost.files import replace
from hwcost.search.storage.masking import masked_if_url

_IDENTIFIER = re.compile(r"[0-9a-f-]{32,36}")
"""Form of the names that Optuna gives to artifacts: random, and never a path that leads out of the folder."""


class Weights:
    """A folder that every machine can reach, or a bucket.

    Args:
        where: path of a folder, made when missing; or s3://BUCKET, with the credentials that boto3 finds.

    Raises:
        BadOption: another kind of URL, or no boto3. BadStudy: the folder cannot be made, or no such bucket is reached.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        scheme, found, bucket = where.partition("://")
        self._store: FileSystemArtifactStore | Boto3ArtifactStore
        self._failures: tuple[type[Exception], ...] = (ArtifactNotFound, OSError)
        if not found:
            self._store = _folder(Path(where))
        elif scheme == "s3" and bucket.strip("/"):
            self._store, failures = _bucket(bucket.strip("/"))
            self._failures += failures
        else:
            raise BadOption(f"artifacts {masked_if_url(where)}: neither a folder nor s3://BUCKET; give one of them")

    def keep(self, path: Path, of: Trial | Study) -> str:
        """Send a file there.

        Args:
            path: of the weights.
            of: what they belong to.

        Returns:
            What `fetch` finds it by.

        Raises:
            BadStudy: nothing can be written there.
        """
        try:
            return upload_artifact(artifact_store=self._store, file_path=str(path), study_or_trial=of)
        except self._failures as error:
            raise BadStudy(
                f"artifacts {masked_if_url(self.where)}: cannot be written ({_reason(error)}); mend that and run again"
            ) from error

    def fetch(self, identifier: str, path: Path) -> None:
        """Bring one here, whole or not at all; several processes may share the folder.

        Raises:
            BadStudy: it is not there, or cannot be read or written.
        """
        if not _IDENTIFIER.fullmatch(identifier):
            raise BadStudy(f"artifacts {masked_if_url(self.where)}: {identifier!r} is no name of weights")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._store.open_reader(identifier) as reader:
                replace(path, reader.read())
        except self._failures as error:
            raise BadStudy(
                f"artifacts {masked_if_url(self.where)}: no weights for {path.name}; set HWCOST_ARTIFACTS to "
                "the folder or bucket of the sweep, as this machine reaches it"
            ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _folder(path: Path) -> FileSystemArtifactStore:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadStudy(f"artifacts {path}: cannot be made ({error.strerror}); give another folder") from error
    return FileSystemArtifactStore(str(path))


def _bucket(name: str) -> tuple[Boto3ArtifactStore, tuple[type[Exception], ...]]:
    """A store in the bucket, and the errors that it may give."""
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise BadOption(f"artifacts s3://{name}: needs boto3; pip install 'hwcost[s3]', or give a folder") from error
    failures = Boto3Error, BotoCoreError, ClientError
    try:
        client = boto3.client("s3")
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "403":  # may read and write, but not look
            raise BadStudy(f"artifacts s3://{name}: {error}; make the bucket, or give another one") from error
    except (BotoCoreError, ValueError) as error:  # no credentials, no region, nobody there, a garbled endpoint
        raise BadStudy(
            f"artifacts s3://{name}: {error}; set what boto3 reads, AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID among it"
        ) from error
    return Boto3ArtifactStore(name, client), failures
