"""Weights of a shared study in a bucket, held against a server on loopback that answers as S3 does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import optuna
import pytest
import tiny_recipe

from hwcost.errors import BadOption, BadStudy
from hwcost.search.storage.artifacts import Weights

COMMAND = Path(sys.executable).with_name("hwcost")
AWS = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_MAX_ATTEMPTS",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """s3://weights, empty."""
    server = pytest.importorskip("moto.server", reason="no moto: pip install 'hwcost[bucket]'")
    boto3 = pytest.importorskip("boto3")
    served = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    nowhere = "/nonexistent"
    for name, value in zip(
        AWS, (f"http://{host}:{port}", "me", "secret", "us-east-1", "1", nowhere, nowhere, "true"), strict=True
    ):
        monkeypatch.setenv(name, value)
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # its state outlives a server
    boto3.client("s3").create_bucket(Bucket="weights")
    yield "s3://weights"
    served.stop()


def test_what_is_kept_is_fetched(bucket: str, tmp_path: Path) -> None:
    weights, study = Weights(bucket), optuna.create_study()
    (tmp_path / "one.pt").write_bytes(b"\x00weights")
    found = weights.keep(tmp_path / "one.pt", study)
    Weights(f"{bucket}/").fetch(found, tmp_path / "there" / "two.pt")
    assert (tmp_path / "there" / "two.pt").read_bytes() == b"\x00weights"
    with pytest.raises(BadStudy, match=r"s3://weights: no weights for three\.pt"):
        weights.fetch("0" * 32, tmp_path / "three.pt")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["two.pt"]


def test_no_bucket_no_server_and_no_credentials_are_one_error(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadStudy, match=r"s3://other: .*404.*; make the bucket"):
        Weights("s3://other")
    weights, study = Weights(bucket), optuna.create_study()
    (tmp_path / "one.pt").touch()
    import boto3

    boto3.client("s3").delete_bucket(Bucket="weights")
    with pytest.raises(BadStudy, match=r"s3://weights: cannot be written \(.*NoSuchBucket"):
        weights.keep(tmp_path / "one.pt", study)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BadStudy, match=r"s3://weights: .*127\.0\.0\.1:9.*AWS_ENDPOINT_URL"):
        Weights(bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(BadStudy, match=r"s3://weights: .*nonsense"):
        Weights(bucket)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers them
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BadStudy, match="credentials"):
        Weights(bucket)


def test_without_boto3_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BadOption, match=r"needs boto3; pip install 'hwcost\[s3\]'"):
        Weights("s3://weights")


@pytest.mark.slow
def test_a_sweep_keeps_its_weights_there_and_goes_on_from_them(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(Path(tiny_recipe.__file__).read_text())
    place = {"HWCOST_STORAGE": f"sqlite:///{tmp_path / 'studies.db'}", "HWCOST_HEARTBEAT": "1"}
    there, elsewhere = (os.environ | place | {"HWCOST_ARTIFACTS": where} for where in (bucket, "s3://other"))
    run = [COMMAND, "sweep", "tiny.py:recipe", "--out", "s", "--bits", "2:5", "--warm", "1", "--quiet", "--trials", "2"]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, env=there)
    import boto3

    client = boto3.client("s3")
    assert client.list_objects_v2(Bucket="weights")["KeyCount"] == 3  # the float network's and each trial's
    # The machine of the sweep has lost its copies: the next trial starts from what the bucket holds.
    for path in (tmp_path / "s" / "checkpoints").iterdir():
        path.unlink()
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, env=there)
    trials = json.loads((tmp_path / "s" / "trials.json").read_text())["trials"]
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 4
    told = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, env=elsewhere)
    assert told.returncode == 2 and "make the bucket" in told.stderr and "Traceback" not in told.stderr
